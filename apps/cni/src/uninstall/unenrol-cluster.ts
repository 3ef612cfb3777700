import {
  type KubeObject,
  objectKey,
  readPod,
  refOf,
  type ResourceSource,
  type ResourceWriter,
} from '@ambient/kube'
import type { Clock } from '@ambient/lifecycle'
import { cniLimits } from '../agent/cni-limits.ts'
import { END_CONFIG_MAP } from '../agent/cluster-view.ts'

export interface UnenrolRequest {
  readonly resources: Pick<ResourceSource, 'list'> & Pick<ResourceWriter, 'apply'>
  /** Where the agents run. */
  readonly namespace: string
  readonly clock: Clock
  readonly say: (text: string) => void
}

const DAEMON_SET = 'istio-cni-node'
const REDIRECTION = 'ambient.istio.io/redirection'
const OWNER = { owner: 'istio-cni-unenrol' }

/**
 * Tells every agent that the mesh is to go, and waits until no pod is in it. The sign belongs to the agents' DaemonSet
 * and goes with it.
 *
 * @returns The pods that are still in the mesh when patience ends; none is what it is for.
 */
export async function unenrolCluster({
  resources,
  namespace,
  clock,
  say,
}: UnenrolRequest): Promise<readonly string[]> {
  const sets = await resources.list('DaemonSet', { namespace })
  const owner = sets.find(({ metadata }) => metadata.name === DAEMON_SET)
  const { uid } = owner === undefined ? { uid: undefined } : refOf(owner)
  const ownerReferences =
    uid === undefined ? [] : [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: DAEMON_SET, uid }]
  await resources.apply(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: END_CONFIG_MAP, namespace, ownerReferences },
      data: { why: 'the mesh is being uninstalled: no pod belongs to it while this is here' },
    },
    OWNER,
  )
  const untilMs = clock.monotonicMs() + cniLimits.unenrolClusterMs
  for (let said = -1; ;) {
    const left = await enrolledPods(resources)
    if (left.length !== said) say(`${left.length} pods in the mesh`)
    said = left.length
    if (left.length === 0 || clock.monotonicMs() >= untilMs) return left
    await clock.sleep(cniLimits.unenrolLookMs)
  }
}

async function enrolledPods(resources: UnenrolRequest['resources']): Promise<readonly string[]> {
  const pods = await resources.list('Pod')
  return pods
    .filter(({ metadata }) => metadata.annotations[REDIRECTION] !== undefined)
    .filter((pod) => !isFinished(pod))
    .map(({ metadata }) => objectKey(metadata))
}

/** The pod of a job that is over has no network any more, and keeps its annotation for ever. */
function isFinished(pod: KubeObject): boolean {
  const { phase } = readPod(pod)
  return phase === 'Succeeded' || phase === 'Failed'
}
