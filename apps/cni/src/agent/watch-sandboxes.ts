import type { NetworkNamespace } from '@ambient/linux'
import { messageOf } from '../cni-error.ts'
import type { AgentDeps } from './agent-deps.ts'
import { cniLimits } from './cni-limits.ts'
import { isSameNetns } from './find-netns.ts'
import type { MeshPod } from './mesh-pod.ts'
import type { PodReconciler } from './pod-reconciler.ts'

export interface WatchSandboxesDeps extends Pick<
  AgentDeps,
  'cluster' | 'finder' | 'probeSet' | 'clock' | 'logger' | 'ztunnels'
> {
  readonly reconciler: Pick<PodReconciler, 'pods' | 'foundElsewhere' | 'listenAgain' | 'dropAddress'>
  readonly listeningPorts: (netns: NetworkNamespace) => ReadonlySet<number>
}

const ZTUNNEL_PORTS = [15_001, 15_006, 15_008]

/**
 * Looks again and again whether each pod still is in the namespace that was enrolled, and whether ztunnel listens there: nobody
 * tells of a sandbox that was made while the runtime did not call our plugin. Runs until `signal` aborts.
 */
export async function watchSandboxes(deps: WatchSandboxesDeps, signal: AbortSignal): Promise<void> {
  const deaf = new Map<string, number>()
  while (!signal.aborted) {
    await deps.clock.sleep(cniLimits.sandboxLookMs, signal).catch(() => {}) // rejects only when it is to end
    if (signal.aborted) return
    const lookings = [...lookForProcesses(deps), ...lookForListeners(deaf, deps), dropAddresses(deps)]
    for (const looking of lookings)
      await looking.catch((cause: unknown) =>
        deps.logger.warn('cannot put a pod right; tried again', { error: messageOf(cause) }),
      )
  }
}

/** An agent that was killed leaves addresses in the host's set of which it alone knew that they had to go. */
async function dropAddresses({ reconciler, probeSet }: WatchSandboxesDeps): Promise<void> {
  for (const entry of await probeSet.list())
    if (reconciler.pods.get(entry.uid)?.ips.includes(entry.ip) !== true) await reconciler.dropAddress(entry)
}

/** Pods between two sandboxes are among them: if the new one came by itself, only its processes tell. */
function lookForProcesses({ reconciler, cluster, finder }: WatchSandboxesDeps): readonly Promise<void>[] {
  const held = reconciler.pods
    .all()
    .filter(({ state }) => state.kind !== 'draining' && state.kind !== 'broken')
  const wanted = held.flatMap(({ uid }) => cluster.pod(uid) ?? []).filter((pod) => !pod.isFinished)
  const found = finder.scan(wanted)
  return wanted.flatMap((pod) => {
    const netns = found.get(pod.cgroupUid)
    if (netns === undefined) return []
    if (!isSameNetns(netns, reconciler.pods.get(pod.uid)?.netns))
      return [reconciler.foundElsewhere(pod.uid, netns)]
    netns[Symbol.dispose]()
    return []
  })
}

/** A ztunnel that just came has a moment; then it is told again of the pod, and at last as of a new one. */
function lookForListeners(deaf: Map<string, number>, deps: WatchSandboxesDeps): readonly Promise<void>[] {
  const { reconciler, ztunnels } = deps
  const isDeaf = ({ state, netns }: MeshPod): boolean => {
    if (state.kind !== 'enrolled' || netns === undefined || ztunnels.connected === 0) return false
    const open = deps.listeningPorts(netns)
    return !ZTUNNEL_PORTS.every((port) => open.has(port))
  }
  const now = new Set(
    reconciler.pods
      .all()
      .filter(isDeaf)
      .map(({ uid }) => uid),
  )
  for (const uid of deaf.keys()) if (!now.has(uid)) deaf.delete(uid)
  for (const uid of now) deaf.set(uid, (deaf.get(uid) ?? 0) + 1)
  return [...deaf]
    .filter(([, looks]) => looks > 1)
    .map(([uid, looks]) => reconciler.listenAgain(uid, looks === 2 ? 'told-again' : 'taken-anew'))
}
