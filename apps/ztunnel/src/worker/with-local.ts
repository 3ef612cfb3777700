import type { Workload } from '@ambient/model'
import { holdWhile } from './hold-while.ts'
import type { PodInfo } from './messages.ts'
import type { PodContext, Refusal } from './pod-context.ts'

/** An accepted socket's two ends, and which way it goes. */
export type Ends = Pick<Refusal, 'direction' | 'src' | 'dst'>

/**
 * Goes on with `use` once the control plane has named the pod: in this call if it has. A socket whose pod left
 * meanwhile, or that stays unknown, is refused with the reason; one that its peer resets is let go.
 */
export function withLocal(fd: number, pod: PodContext, ends: Ends, use: (local: Workload) => void): void {
  const { shared, info } = pod
  const known = shared.snapshot.localWorkload(info)
  if (known !== undefined) return use(known)
  holdWhile(
    fd,
    {
      shared,
      what: 'its pod’s description',
      onGone: (detail) => pod.refused({ ...ends, reason: 'DOWNSTREAM_CLOSED', detail }),
    },
    (answer) => shared.waits.withWorkload(info, answer),
    (local: Workload | undefined) => {
      if (refuseGone(fd, pod, ends)) return
      if (local === undefined) return pod.refuse(fd, { ...ends, ...unknownLocal(ends.direction, info) })
      use(local)
    },
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
