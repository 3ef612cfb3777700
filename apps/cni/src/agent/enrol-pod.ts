import type { NetworkNamespace } from '@ambient/linux'
import type { PodAge } from '../redirect/redirect-backend.ts'
import type { AgentDeps } from './agent-deps.ts'
import type { MeshPod } from './mesh-pod.ts'
import { podFields, podInfo } from './pod-fields.ts'
import { type PodRules, writeRules } from './pod-rules.ts'
import type { PodView } from './pod-view.ts'

/** A sandbox the runtime is making. */
export interface NewSandbox {
  readonly pod: PodView
  readonly netnsPath: string
  readonly containerId: string
  readonly ips: readonly string[]
}

export interface Enrolment {
  readonly pod: PodView
  readonly netns: NetworkNamespace
  readonly containerId: string | undefined
  readonly ips: readonly string[]
  readonly age: PodAge
  readonly earlier: Omit<PodRules, 'areRulesWhole'> | undefined
}

/**
 * Takes one pod into the mesh. ztunnel listens before the first redirect exists, so that no connection meets a redirect with
 * nobody behind it; the annotation comes last, since nobody looks again after it. Every step may be repeated.
 *
 * @returns What is held for the pod from now on; it has `netns`, which stays the caller's until it has put that away.
 * @throws {CniError} `ZDS_…`, `RULES_…` or `PLATFORM_UNSUPPORTED`; what was done until then stays.
 */
export async function enrolPod(enrolment: Enrolment, deps: AgentDeps): Promise<MeshPod> {
  const { pod, netns, containerId, ips } = enrolment
  const reserved = deps.backends.chosen.reservePorts(netns)
  await deps.ztunnels.add(pod.uid, podInfo(pod), netns)
  const rules = await writeRules(enrolment, deps)
  const held: MeshPod = {
    uid: pod.uid,
    state: { kind: 'enrolled', sinceMs: deps.clock.nowMs() },
    netns,
    containerId,
    ips,
    ...rules,
    before: { ...reserved, ...rules.before },
  }
  await deps.probeSet.add(ips.map((ip) => ({ ip, uid: pod.uid })))
  deps.records.save(held)
  deps.logger.info('pod enrolled', {
    ...podFields(pod),
    ips: ips.join(','),
    redirection: rules.backends.join(','),
    kept_connections: held.kept.count,
  })
  return held
}
