import {
  type Collection,
  type CollectionGraph,
  type CollectionIndex,
  equalPlain,
  type Fetch,
  type Filter,
} from '@ambient/collections'
import {
  includesLabels,
  type KubeObject,
  oldestPeerAuthentication,
  type PeerAuthentication,
  type PeerAuthenticationChain,
  readPeerAuthentication,
  strictPeerAuthentication,
} from '@ambient/kube'
import { type AuthorizationPolicy, policyKey } from '@ambient/policy'
import { type Condition, conditionsOf, type ObjectConditions } from '../conditions.ts'
import type { ConfigState } from '../config/config-state.ts'
import { anchorOf, anchorsFor } from '../label-anchor.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import { type Reading, validated, type Validated } from '../validated.ts'
import {
  closedPolicy,
  type ConvertedPolicy,
  convertAuthorizationPolicy,
} from './convert-authorization-policy.ts'
import { expandTrustDomains } from './expand-trust-domains.ts'
import { type L7Attachment, l7Attachments } from './l7-attachments.ts'
import { peerPolicy, STATIC_STRICT, staticStrictPolicy } from './peer-authentication.ts'
import { authorizationConditions, peerConditions, requestConditions } from './policy-conditions.ts'
import {
  closedRequestAuthentication,
  readRequestAuthentication,
  type RequestAuthentication,
} from './request-authentication.ts'

export interface PolicyState {
  /** Every policy that is sent, under `namespace/name`. */
  readonly all: Collection<AuthorizationPolicy>
  /** What is to be said in the status of each policy. */
  readonly conditions: readonly Collection<ObjectConditions>[]
  readonly authorizations: Validated<ConvertedPolicy>
  readonly requestAuthentications: Validated<RequestAuthentication>
  /** Policies that only waypoints can enforce, by what they are attached to. */
  readonly l7: CollectionIndex<L7Attachment>
  /** Names of the policies that select this workload, in the order they are sent. */
  attachedTo(workload: Labelled, fetch: Fetch): readonly string[]
}

/** What selectors look at. */
export interface Labelled {
  readonly namespace: string
  readonly labels: Labels
}

type Labels = Readonly<Record<string, string>>

/** Where a policy applies, apart from what it says: pods depend on this, and not on rules. */
interface Attachment {
  readonly key: string
  /** A namespace, or `*` for a policy of the root namespace. */
  readonly reach: string
  readonly selector: Readonly<Record<string, string>>
}

interface PeerParts {
  readonly facts: Collection<PeerAuthentication>
  readonly byNamespace: CollectionIndex<PeerAuthentication>
}

type Objects = Collection<KubeObject>

const EVERYWHERE = '*'

export function policyState({ graph, mesh }: MeshInputs, config: ConfigState): PolicyState {
  const { rootNamespace } = mesh
  const authorizations = config.own.AuthorizationPolicy
  const peerObjects = config.own.PeerAuthentication
  const policies = validated<ConvertedPolicy>(graph, {
    name: 'converted policies',
    objects: authorizations,
    read: (policy) => convertAuthorizationPolicy(policy, mesh),
    closed: (policy) => closedPolicy(policy, mesh),
  })
  const peerAuthentications = validated<PeerAuthentication>(graph, {
    name: 'peer authentications',
    objects: peerObjects,
    read: (object) => readPeerAuthentication(object, rootNamespace),
    closed: (object) => strictPeerAuthentication(object, rootNamespace),
  })
  const requestAuthentications = validated<RequestAuthentication>(graph, {
    name: 'request authentications',
    objects: config.own.RequestAuthentication,
    read: readRequestAuthentication,
    closed: closedRequestAuthentication,
  })
  const written = graph.derive('authorization policies', policies.inForce, (each, fetch) =>
    each.kind === 'sent' ? expandTrustDomains(each.policy, config.trustDomains(fetch)) : undefined,
  )
  const attachments = graph.derive('policy attachments', policies.inForce, (each) =>
    attachment(each, rootNamespace),
  )
  const bySelector = attachments.index(({ reach, selector }) => [anchorOf(reach, selector)])
  const facts = peerAuthentications.inForce
  const peers = { facts, byNamespace: facts.index((one) => [one.namespace]) }
  return {
    all: graph.union('written policies', [peerPolicies(graph, peers, rootNamespace), written]),
    conditions: [
      policyConditions(graph, authorizations, policies, authorizationConditions),
      policyConditions(graph, peerObjects, peerAuthentications, (reading, inForce, fetch) =>
        peerConditions(reading, inForce, (one) => elder(one, fetch, peers)),
      ),
      policyConditions(graph, config.own.RequestAuthentication, requestAuthentications, requestConditions),
    ],
    authorizations: policies,
    requestAuthentications,
    l7: l7Attachments(graph, policies.inForce, requestAuthentications.inForce, rootNamespace),
    attachedTo: (pod, fetch) => {
      const groups = [...anchorsFor(pod.namespace, pod.labels), ...anchorsFor(EVERYWHERE, pod.labels)]
      const selects = attachmentsOf(pod.labels)
      const found = groups.flatMap((group) => fetch.find(bySelector, group, selects))
      const names = found.map((each) => each.key).toSorted()
      return [...names, ...peerPolicyNames(pod, fetch, { peers, rootNamespace })]
    },
  }
}

function policyConditions<V>(
  graph: CollectionGraph,
  objects: Objects,
  { readings, inForce }: Validated<V>,
  say: (reading: Reading<V>, inForce: V | undefined, fetch: Fetch) => readonly Condition[],
): Collection<ObjectConditions> {
  return graph.deriveMany<KubeObject, ObjectConditions>(
    `${inForce.name} status`,
    objects,
    (object, fetch, key) => {
      const reading = fetch.get(readings, key)
      const conditions = reading === undefined ? [] : say(reading, fetch.get(inForce, key), fetch)
      return conditionsOf(object, 'istio-ambient-ztunnel-policy', conditions)
    },
  )
}

function attachment(converted: ConvertedPolicy, rootNamespace: string): Attachment | undefined {
  if (converted.kind !== 'sent' || converted.selector === undefined) return undefined
  const { policy, selector } = converted
  return {
    key: policyKey(policy),
    reach: policy.namespace === rootNamespace ? EVERYWHERE : policy.namespace,
    selector,
  }
}

/** Filters are kept with what they were asked for, and so is all that they close over: the labels, and nothing else. */
function attachmentsOf(labels: Labels): Filter<Attachment> {
  return ({ selector }) => includesLabels(labels, selector)
}

/** The shared strict policy while there is any PeerAuthentication, and one for each with exceptions by port. */
function peerPolicies(
  graph: CollectionGraph,
  peers: PeerParts,
  rootNamespace: string,
): Collection<AuthorizationPolicy> {
  const own = graph.deriveMany('own peer policies', peers.facts, (one, fetch) => {
    if (one.level !== 'workload') return new Map<string, AuthorizationPolicy>()
    const found = peerPolicy({ ...parentsOf(one.namespace, fetch, { peers, rootNamespace }), workload: one })
    return new Map(found.kind === 'own' ? [[policyKey(found.policy), found.policy]] : [])
  })
  const shared = graph.input<AuthorizationPolicy>('shared peer policy')
  const strict = staticStrictPolicy(rootNamespace)
  graph.transaction(() => shared.set(policyKey(strict), strict))
  const wanted = graph.derive('wanted peer policy', shared, (policy, fetch) =>
    fetch.all(peers.facts).length > 0 ? policy : undefined,
  )
  return graph.union('peer policies', [own, wanted])
}

function peerPolicyNames(
  pod: Labelled,
  fetch: Fetch,
  state: { peers: PeerParts; rootNamespace: string },
): readonly string[] {
  const chain = {
    ...parentsOf(pod.namespace, fetch, state),
    workload: workloadLevel(pod, fetch, state.peers),
  }
  const found = peerPolicy(chain)
  switch (found.kind) {
    case 'none':
      return []
    case 'static-strict':
      return [`${state.rootNamespace}/${STATIC_STRICT}`]
    case 'own':
      return [policyKey(found.policy)]
  }
}

function parentsOf(
  namespace: string,
  fetch: Fetch,
  { peers, rootNamespace }: { readonly peers: PeerParts; readonly rootNamespace: string },
): Omit<PeerAuthenticationChain, 'workload'> {
  return {
    mesh: oldestPeerAuthentication(fetch.find(peers.byNamespace, rootNamespace, isOfMesh)),
    namespace: oldestPeerAuthentication(fetch.find(peers.byNamespace, namespace, isOfNamespace)),
  }
}

/** The one that counts in its place: an older one for the same workloads. */
function elder(
  one: PeerAuthentication,
  fetch: Fetch,
  { byNamespace }: PeerParts,
): PeerAuthentication | undefined {
  const isLikeIt = ({ level, matchLabels }: PeerAuthentication): boolean =>
    level === one.level && equalPlain(matchLabels, one.matchLabels)
  const counts = oldestPeerAuthentication(fetch.find(byNamespace, one.namespace, isLikeIt))
  return counts?.name === one.name ? undefined : counts
}

function workloadLevel(pod: Labelled, fetch: Fetch, peers: PeerParts): PeerAuthentication | undefined {
  return oldestPeerAuthentication(fetch.find(peers.byNamespace, pod.namespace, workloadLevelOf(pod.labels)))
}

function workloadLevelOf(labels: Labels): Filter<PeerAuthentication> {
  return ({ level, matchLabels }) => level === 'workload' && includesLabels(labels, matchLabels)
}

function isOfMesh({ level }: PeerAuthentication): boolean {
  return level === 'mesh'
}

function isOfNamespace({ level }: PeerAuthentication): boolean {
  return level === 'namespace'
}
