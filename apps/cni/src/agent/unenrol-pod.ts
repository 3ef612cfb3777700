import { countTunnels } from '../redirect/tcp-connections.ts'
import { messageOf } from '../cni-error.ts'
import type { AgentDeps } from './agent-deps.ts'
import { cniLimits } from './cni-limits.ts'
import type { MeshPod } from './mesh-pod.ts'
import { podFields } from './pod-fields.ts'
import type { PodView } from './pod-view.ts'

/**
 * The first half of leaving the mesh: from here on new connections go direct. The annotation goes first, so that peers stop
 * sending HBONE while there is still somebody to take it.
 */
export async function startDraining(held: MeshPod, pod: PodView, deps: AgentDeps): Promise<MeshPod> {
  await deps.annotate(pod, undefined)
  const { netns } = held
  if (netns !== undefined)
    for (const name of held.backends) await deps.backends.byName[name].stopRedirecting(netns)
  await deps.probeSet.remove(held.ips.map((ip) => ({ ip, uid: held.uid })))
  deps.logger.info('pod leaves the mesh: new connections go direct, open tunnels go on', podFields(pod))
  return { ...held, ips: [], state: { kind: 'draining', sinceMs: deps.clock.monotonicMs(), quietPolls: 0 } }
}

/**
 * Looks whether tunnels are still open. Once there are none, or at the deadline, takes the rest away; ztunnel resets then
 * what is left.
 *
 * @returns `undefined` when nothing is left of the pod.
 */
export async function goOnDraining(
  held: MeshPod,
  pod: PodView,
  deps: AgentDeps,
): Promise<MeshPod | undefined> {
  if (held.state.kind !== 'draining') return held
  const { sinceMs, quietPolls } = held.state
  const { tunnels, problem } = lookForTunnels(held, deps)
  const drainedMs = deps.clock.monotonicMs() - sinceMs
  const isQuiet = tunnels === 0 && quietPolls > 0 && drainedMs >= cniLimits.drainLeastMs
  if (!isQuiet && drainedMs < cniLimits.drainMs) {
    return { ...held, state: { kind: 'draining', sinceMs, quietPolls: tunnels === 0 ? quietPolls + 1 : 0 } }
  }
  await letGo(held, deps)
  const { netns } = held
  if (netns !== undefined)
    for (const name of held.backends) await deps.backends.byName[name].remove(netns, held.before)
  deps.records.delete(held.uid)
  deps.logger.info('pod has left the mesh', {
    ...podFields(pod),
    drained_ms: Math.round(drainedMs),
    tunnels_reset: tunnels,
    problem,
  })
  return undefined
}

/** For a pod that is deleted or finished, or whose sandbox is gone: its netns goes away by itself, so nothing is done in there. */
export async function forgetPod(held: MeshPod | undefined, uid: string, deps: AgentDeps): Promise<void> {
  try {
    await deps.probeSet.remove((held?.ips ?? []).map((ip) => ({ ip, uid })))
  } finally {
    if (held !== undefined) await letGo(held, deps)
  }
  deps.records.delete(uid)
  deps.logger.info('pod forgotten', { uid })
}

/** A ztunnel that does not answer loses its connection, and comes back to a snapshot without the pod. */
async function letGo(held: MeshPod, deps: AgentDeps): Promise<void> {
  try {
    await deps.ztunnels.remove(held.uid)
  } catch (cause) {
    deps.logger.warn('ztunnel did not confirm that it let go of a pod', {
      uid: held.uid,
      error: messageOf(cause),
    })
  }
}

function lookForTunnels(held: MeshPod, deps: AgentDeps): { tunnels: number; problem?: string } {
  if (held.netns === undefined) return { tunnels: 0 }
  try {
    const { table, ownIps } = deps.connectionsOf(held.netns)
    return { tunnels: countTunnels(table, ownIps) }
  } catch (cause) {
    return { tunnels: 0, problem: messageOf(cause) }
  }
}
