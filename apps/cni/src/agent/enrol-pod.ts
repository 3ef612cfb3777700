import type { NetworkNamespace } from '@ambient/linux'
import type { PodAge } from '../redirect/redirect-backend.ts'
import { describeConnection, type TcpConnection } from '../redirect/tcp-connections.ts'
import type { AgentDeps } from './agent-deps.ts'
import { cniLimits } from './cni-limits.ts'
import { type KeptConnections, type MeshPod, noKeptConnections } from './mesh-pod.ts'
import { podSettings } from './pod-overrides.ts'
import type { PodView } from './pod-view.ts'

export interface Enrolment {
  readonly pod: PodView
  readonly netns: NetworkNamespace
  readonly containerId: string | undefined
  readonly ips: readonly string[]
  readonly age: PodAge
  /** What is held for the pod so far. */
  readonly earlier: Pick<MeshPod, 'kept' | 'before'> | undefined
}

/**
 * Takes one pod into the mesh. ztunnel listens before the first redirect exists, so that no connection meets a redirect with
 * nobody behind it; the annotation comes last, since nobody looks again after it. Every step may be repeated.
 *
 * @returns What is held for the pod from now on; it has `netns`, which stays the caller's until it has put that away.
 * @throws {CniError} `ZDS_…`, `RULES_…` or `PLATFORM_UNSUPPORTED`; what was done until then stays.
 */
export async function enrolPod(enrolment: Enrolment, deps: AgentDeps): Promise<MeshPod> {
  const { pod, netns, containerId, ips, age, earlier } = enrolment
  const { settings, warnings } = podSettings(pod.annotations, deps.settings)
  for (const warning of warnings) deps.logger.warn(warning, podFields(pod))
  const reserved = deps.backend.reservePorts(netns)
  await deps.ztunnels.add(pod.uid, podInfo(pod), netns)
  const { kept, before } = await deps.backend.apply(netns, settings, age)
  const held: MeshPod = {
    uid: pod.uid,
    state: { kind: 'enrolled', sinceMs: deps.clock.nowMs() },
    netns,
    containerId,
    ips,
    kept: kept === undefined ? (earlier?.kept ?? noKeptConnections) : nameConnections(kept),
    before: { ...reserved, ...before, ...earlier?.before },
  }
  await deps.probeSet.add(ips.map((ip) => ({ ip, uid: pod.uid })))
  recordPod(held, deps)
  reportEnrolment(held, pod, deps)
  return held
}

/** What is needed to undo the enrolment after the agent has been restarted. */
function recordPod(
  { uid, containerId, kept, before }: MeshPod,
  deps: Pick<AgentDeps, 'records' | 'backend'>,
): void {
  deps.records.save({ uid, backend: deps.backend.name, containerId, kept, before })
}

export function podInfo({ name, namespace, serviceAccount }: PodView): {
  name: string
  namespace: string
  serviceAccount: string
} {
  return { name, namespace, serviceAccount }
}

export function podFields({ namespace, name, uid }: PodView): { pod: string; uid: string } {
  return { pod: `${namespace}/${name}`, uid }
}

function nameConnections(kept: readonly TcpConnection[]): KeptConnections {
  return { count: kept.length, names: kept.slice(0, cniLimits.keptNames).map(describeConnection) }
}

function reportEnrolment({ kept, ips }: MeshPod, pod: PodView, deps: AgentDeps): void {
  deps.metrics.add('ambient_cni_kept_connections_total', kept.count)
  deps.logger.info('pod enrolled', { ...podFields(pod), ips: ips.join(','), kept_connections: kept.count })
  for (const connection of kept.names)
    deps.logger.info('connection stays outside the mesh until it closes', { ...podFields(pod), connection })
}
