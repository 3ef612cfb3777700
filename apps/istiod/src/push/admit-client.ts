import type { Collection, CollectionIndex } from '@ambient/collections'
import { CodedError } from '@ambient/lifecycle'
import type { DiscoveryNode } from '@ambient/xds'
import type { Caller } from '../auth/caller.ts'
import type { PodFacts } from '../translate/pods/pod-facts.ts'
import { accountAndNode } from '../translate/pods/pod-state.ts'
import { type ClientNode, readNode } from './node-id.ts'

export interface AdmissionDeps {
  readonly pods: Collection<PodFacts>
  /** See `accountAndNode`. */
  readonly podsByAccountAndNode: CollectionIndex<PodFacts>
}

export const admissionErrorCodes = ['NODE_ID_INVALID', 'NODE_NOT_CALLERS', 'NODE_UNKNOWN'] as const
export type AdmissionErrorCode = (typeof admissionErrorCodes)[number]

/** Why a caller may not open a stream; the codes are rows of the reason table. */
export class AdmissionError extends CodedError<AdmissionErrorCode> {}

/** Who a client is, checked against its credentials. */
export interface AdmittedClient {
  readonly type: string
  /** The Kubernetes node it runs on, as the state and its credentials prove it, whatever it says. Undefined for a client that need not have one. */
  readonly node: string | undefined
}

/**
 * Whether the caller may open a stream as the node it says it is. Pure.
 *
 * A node proxy is told of the policies of its own node, so its node must be proved: by the pod its token is bound to, by
 * the node its token is bound to, or, of a certificate, by a pod of its account that runs there.
 *
 * @throws {AdmissionError}
 */
export function admitClient(caller: Caller, discovery: DiscoveryNode, deps: AdmissionDeps): AdmittedClient {
  const client = readNode(discovery)
  if (client === undefined)
    throw new AdmissionError('NODE_ID_INVALID', `Cannot take "${discovery.id.slice(0, 300)}" for a node id`)
  const { serviceAccount = caller.serviceAccount } = client
  if (client.namespace !== caller.namespace || serviceAccount !== caller.serviceAccount)
    throw notCallers(caller, `${client.namespace}/${serviceAccount}`)
  const node = provedNode(caller, client, deps)
  if (node !== undefined && client.nodeName !== undefined && node !== client.nodeName)
    throw notCallers(caller, `node ${client.nodeName}`)
  if (node === undefined && client.type === NODE_PROXY)
    throw new AdmissionError('NODE_UNKNOWN', `Cannot tell on which node ${caller.id} runs`)
  return { type: client.type, node }
}

export const NODE_PROXY = 'ztunnel'

function provedNode(caller: Caller, client: ClientNode, deps: AdmissionDeps): string | undefined {
  if (caller.pod !== undefined) {
    const pod = deps.pods.get(`${caller.namespace}/${caller.pod.name}`)
    if (pod?.uid !== caller.pod.uid || pod.node === '') return caller.node
    if (caller.node !== undefined && caller.node !== pod.node) throw notCallers(caller, `node ${caller.node}`)
    return pod.node
  }
  if (client.nodeName === undefined) return undefined
  const { namespace, serviceAccount } = caller
  const there = deps.podsByAccountAndNode.find(
    accountAndNode({ namespace, serviceAccount, node: client.nodeName }),
  )
  return there.length === 0 ? undefined : client.nodeName
}

function notCallers(caller: Caller, claimed: string): AdmissionError {
  return new AdmissionError('NODE_NOT_CALLERS', `${caller.id} says that it is ${claimed.slice(0, 300)}`)
}
