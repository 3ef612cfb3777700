import type { Collection, CollectionGraph, CollectionIndex, Fetch } from '@ambient/collections'
import { includesLabels, type KubeObject } from '@ambient/kube'
import { type AuthorizationPolicy, policyKey } from '@ambient/policy'
import { anchorOf, anchorsFor } from '../label-anchor.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { PodFacts } from '../pods/pod-facts.ts'
import {
  closedPolicy,
  type ConvertedPolicy,
  convertAuthorizationPolicy,
} from './convert-authorization-policy.ts'
import {
  oldest,
  type PeerAuthentication,
  type PeerAuthenticationChain,
  peerPolicy,
  readPeerAuthentication,
  STATIC_STRICT,
  staticStrictPolicy,
  strictPeerAuthentication,
} from './peer-authentication.ts'

export interface PolicyState {
  /** What became of each AuthorizationPolicy, under `namespace/name`. */
  readonly converted: Collection<ConvertedPolicy>
  /** Every policy that is sent, under `namespace/name`. */
  readonly all: Collection<AuthorizationPolicy>
  /** Names of the policies that select this pod, in the order they are sent. */
  attachedTo(pod: PodFacts, fetch: Fetch): readonly string[]
}

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

const EVERYWHERE = '*'

export function policyState({ graph, mesh, of }: MeshInputs): PolicyState {
  const { rootNamespace } = mesh
  const converted = graph.derive<KubeObject, ConvertedPolicy>(
    'converted policies',
    of('AuthorizationPolicy'),
    (policy) => convertAuthorizationPolicy(policy, rootNamespace),
    { fallback: (policy) => closedPolicy(policy, rootNamespace) },
  )
  const written = graph.derive('authorization policies', converted, (each) =>
    each.kind === 'sent' ? each.policy : undefined,
  )
  const attachments = graph.derive('policy attachments', converted, (each) => attachment(each, rootNamespace))
  const bySelector = attachments.index(({ reach, selector }) => [anchorOf(reach, selector)])
  const peers = peerParts(graph, of('PeerAuthentication'), rootNamespace)
  const all = graph.union('policies', [peerPolicies(graph, peers, rootNamespace), written])
  return {
    converted,
    all,
    attachedTo: (pod, fetch) => {
      const groups = [...anchorsFor(pod.namespace, pod.labels), ...anchorsFor(EVERYWHERE, pod.labels)]
      const found = groups.flatMap((group) =>
        fetch.find(bySelector, group, (each) => includesLabels(pod.labels, each.selector)),
      )
      const names = found.map((each) => each.key).toSorted()
      return [...names, ...peerPolicyNames(pod, fetch, { peers, rootNamespace })]
    },
  }
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

function peerParts(
  graph: CollectionGraph,
  objects: Collection<KubeObject>,
  rootNamespace: string,
): PeerParts {
  const facts = graph.derive<KubeObject, PeerAuthentication>(
    'peer authentications',
    objects,
    (object) => readPeerAuthentication(object, rootNamespace),
    { fallback: (object) => strictPeerAuthentication(object, rootNamespace) },
  )
  return { facts, byNamespace: facts.index((one) => [one.namespace]) }
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
  pod: PodFacts,
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
    mesh: oldest(fetch.find(peers.byNamespace, rootNamespace, (one) => one.level === 'mesh')),
    namespace: oldest(fetch.find(peers.byNamespace, namespace, (one) => one.level === 'namespace')),
  }
}

function workloadLevel(pod: PodFacts, fetch: Fetch, peers: PeerParts): PeerAuthentication | undefined {
  const takes = (one: PeerAuthentication): boolean =>
    one.level === 'workload' && includesLabels(pod.labels, one.matchLabels)
  return oldest(fetch.find(peers.byNamespace, pod.namespace, takes))
}
