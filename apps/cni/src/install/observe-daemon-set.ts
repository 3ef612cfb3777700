import { readDaemonSet, type ResourceSource, selectsNode } from '@ambient/kube'
import type { Clock } from '@ambient/lifecycle'
import { cniLimits } from '../agent/cni-limits.ts'
import { messageOf } from '../cni-error.ts'
import type { OwnDaemonSet } from './plan-shutdown.ts'

export interface ObserveRequest {
  readonly source: Pick<ResourceSource, 'list'>
  readonly namespace: string
  readonly nodeName: string
  readonly clock: Clock
}

const NAME = 'istio-cni-node'

/** Asks for the DaemonSet that this agent is a pod of; a source that fails is asked a few times more. */
export async function observeDaemonSet(request: ObserveRequest): Promise<OwnDaemonSet> {
  for (let tries = 1; ; tries++) {
    const seen = await look(request)
    if (seen.kind !== 'unknown' || tries >= cniLimits.shutdownTries) return seen
    await request.clock.sleep(cniLimits.shutdownRetryMs)
  }
}

async function look({ source, namespace, nodeName }: ObserveRequest): Promise<OwnDaemonSet> {
  try {
    const sets = await source.list('DaemonSet', { namespace })
    const own = sets.find(({ metadata }) => metadata.name === NAME)
    if (own === undefined) return { kind: 'missing' }
    const nodes = await source.list('Node', { fieldSelector: { 'metadata.name': nodeName } })
    const facts = readDaemonSet(own)
    const [node] = nodes
    return {
      kind: 'found',
      isDeleted: facts.isDeleted,
      // A node that has no object is not one that was excluded.
      selectsNode: node === undefined || selectsNode(facts, { name: nodeName, labels: node.metadata.labels }),
    }
  } catch (cause) {
    return { kind: 'unknown', error: messageOf(cause) }
  }
}
