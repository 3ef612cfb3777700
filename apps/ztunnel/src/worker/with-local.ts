import type { Workload } from '@ambient/model'
import type { PodInfo } from './messages.ts'
import type { PodContext, Refusal } from './pod-context.ts'

/** An accepted socket's two ends, and which way it goes. */
export type Ends = Pick<Refusal, 'direction' | 'src' | 'dst'>

/**
 * Goes on with `use` once the control plane has named the pod: in this call if it has. A socket whose pod left
 * meanwhile, or that stays unknown, is refused with the reason.
 */
export function withLocal(fd: number, pod: PodContext, ends: Ends, use: (local: Workload) => void): void {
  const { shared, info } = pod
  shared.waits.withWorkload(info, (local) =>
    shared.contain(fd, () => {
      if (refuseGone(fd, pod, ends)) return
      if (local === undefined) return pod.refuse(fd, { ...ends, ...unknownLocal(ends.direction, info) })
      use(local)
    }),
  )
}

/** Refuses a socket that waited while its pod left. @returns Whether it did. */
export function refuseGone(fd: number, pod: PodContext, ends: Ends): boolean {
  if (pod.isOpen) return false
  pod.refuse(fd, { ...ends, reason: 'DRAINED', detail: 'the pod left the mesh while its connection waited' })
  return true
}

export function unknownLocal(
  direction: Refusal['direction'],
  { namespace, name }: PodInfo,
): Pick<Refusal, 'reason' | 'detail'> {
  return {
    reason: direction === 'outbound' ? 'SOURCE_UNKNOWN' : 'LOCAL_WORKLOAD_UNKNOWN',
    detail: `failed to fetch information about local workload: ${namespace}/${name}`,
  }
}
