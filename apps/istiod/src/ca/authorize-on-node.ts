import type { Collection, CollectionIndex } from '@ambient/collections'
import { CodedError } from '@ambient/lifecycle'
import { type SpiffeId, spiffeParts } from '@ambient/spiffe'
import type { Caller } from '../auth/caller.ts'
import { accountAndNode } from '../translate/pods/pod-state.ts'
import type { PodFacts } from '../translate/pods/pod-facts.ts'

export interface NodeAuthorizerDeps {
  /** `namespace/serviceAccount` of the node proxies. */
  readonly trustedAccounts: readonly string[]
  readonly trustDomain: string
  readonly pods: Collection<PodFacts>
  /** See `accountAndNode`. */
  readonly podsByAccountAndNode: CollectionIndex<PodFacts>
}

export const nodeRefusalCodes = ['CALLER_NOT_TRUSTED', 'CALLER_NOT_FOUND', 'IDENTITY_NOT_ON_NODE'] as const
export type NodeRefusalCode = (typeof nodeRefusalCodes)[number]

/** Why a caller may not have a certificate of another identity; the codes are rows of the reason table. */
class NodeRefusal extends CodedError<NodeRefusalCode> {}

/**
 * Lets a node proxy have certificates of identities that run on its own node, and of no others.
 *
 * @throws {NodeRefusal} with the reason for our log; a caller is told nothing but that it was refused.
 * @see istiod.md 2.5
 */
export function authorizeOnNode(caller: Caller, requested: SpiffeId, deps: NodeAuthorizerDeps): void {
  if (!deps.trustedAccounts.includes(`${caller.namespace}/${caller.serviceAccount}`)) {
    throw refusal('CALLER_NOT_TRUSTED', caller, requested, 'it is not among the trusted node accounts')
  }
  const { trustDomain, namespace, serviceAccount } = spiffeParts(requested)
  if (trustDomain !== deps.trustDomain) {
    throw refusal(
      'IDENTITY_NOT_ON_NODE',
      caller,
      requested,
      `this mesh's trust domain is ${deps.trustDomain}`,
    )
  }
  if (caller.pod === undefined) {
    throw refusal('CALLER_NOT_FOUND', caller, requested, 'its credentials are bound to no pod')
  }
  const pod = deps.pods.get(`${caller.namespace}/${caller.pod.name}`)
  if (pod === undefined || pod.uid !== caller.pod.uid || pod.serviceAccount !== caller.serviceAccount) {
    throw refusal('CALLER_NOT_FOUND', caller, requested, 'no pod of that name, UID and account is known')
  }
  if (pod.node === '' || (caller.node !== undefined && caller.node !== pod.node)) {
    throw refusal(
      'CALLER_NOT_FOUND',
      caller,
      requested,
      `its pod is on node "${pod.node}", its token for "${caller.node ?? ''}"`,
    )
  }
  if (
    deps.podsByAccountAndNode.find(accountAndNode({ namespace, serviceAccount, node: pod.node })).length === 0
  ) {
    throw refusal('IDENTITY_NOT_ON_NODE', caller, requested, `no pod on node ${pod.node} runs with it`)
  }
}

function refusal(code: NodeRefusalCode, caller: Caller, requested: SpiffeId, why: string): NodeRefusal {
  return new NodeRefusal(
    code,
    `Cannot issue ${requested} to ${caller.id} of pod ${caller.pod?.name ?? '(none)'}: ${why}`,
  )
}
