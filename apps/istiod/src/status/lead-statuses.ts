import { describeRef } from '@ambient/kube'
import type { ResourceWriter } from '@ambient/kube'
import { type LeadDeps, leadWork } from '../lead-work.ts'
import type { MeshState } from '../translate/mesh-state.ts'
import { keepWaypointRecords } from './keep-waypoint-records.ts'
import { writeStatuses, type WriteOutcome } from './write-statuses.ts'

export interface LeadStatusesDeps extends LeadDeps {
  readonly state: Pick<MeshState, 'status' | 'waypointRecords'>
  readonly systemNamespace: string
  readonly writer: Pick<ResourceWriter, 'applyStatus' | 'apply' | 'lease'>
}

const LEASE = 'istio-status-leader'

/** Writes statuses, and down what is remembered of waypoints, while this istiod is the one of all replicas that may; ends with `signal`. */
export async function leadStatuses(deps: LeadStatusesDeps, signal: AbortSignal): Promise<void> {
  const { state, systemNamespace, writer, clock, metrics, logger } = deps
  const onWrite = (outcome: WriteOutcome): void => {
    metrics.onStatusWrite(outcome.kind)
    if (outcome.kind !== 'given-up') return
    const reason = outcome.cause instanceof Error ? outcome.cause.message : String(outcome.cause)
    logger.error(`Cannot write the status of ${describeRef(outcome.ref)}: ${reason}`, {
      reason: 'STATUS_NOT_WRITTEN',
    })
  }
  const how = { writer, clock, onWrite }
  const { written: records, wanted } = state.waypointRecords
  const work = async (term: AbortSignal): Promise<void> => {
    await Promise.all([
      writeStatuses({ ...how, state: state.status }, term),
      keepWaypointRecords({ ...how, records, wanted, systemNamespace }, term),
    ])
  }
  await leadWork(deps, LEASE, work, signal)
}
