import type { PodPhase } from '@ambient/kube'

export interface PodObservation {
  readonly phase: PodPhase
  readonly isReady: boolean
  readonly podIps: readonly string[]
  readonly hostIp: string
  readonly startedAt: string | undefined
  readonly containers: readonly {
    readonly name: string
    readonly isRunning: boolean
    readonly exitCode: number | undefined
  }[]
  /** Why it is not further, in words. */
  readonly message: string | undefined
}

/** A pod's status as a kubelet writes it. Pure. */
export function podStatus(seen: PodObservation): Readonly<Record<string, unknown>> {
  const truth = (value: boolean): string => (value ? 'True' : 'False')
  return {
    phase: seen.phase,
    hostIP: seen.hostIp,
    hostIPs: [{ ip: seen.hostIp }],
    ...(seen.podIps[0] === undefined
      ? {}
      : { podIP: seen.podIps[0], podIPs: seen.podIps.map((ip) => ({ ip })) }),
    ...(seen.startedAt === undefined ? {} : { startTime: seen.startedAt }),
    ...(seen.message === undefined ? {} : { message: seen.message }),
    conditions: [
      { type: 'PodScheduled', status: 'True' },
      { type: 'Initialized', status: 'True' },
      { type: 'ContainersReady', status: truth(seen.isReady) },
      { type: 'Ready', status: truth(seen.isReady) },
    ],
    containerStatuses: seen.containers.map(({ name, isRunning, exitCode }) => ({
      name,
      ready: seen.isReady,
      started: isRunning,
      restartCount: 0,
      state: containerState(isRunning, exitCode),
    })),
  }
}

function containerState(isRunning: boolean, exitCode: number | undefined): Readonly<Record<string, unknown>> {
  if (isRunning) return { running: {} }
  return exitCode === undefined ? { waiting: { reason: 'ContainerCreating' } } : { terminated: { exitCode } }
}
