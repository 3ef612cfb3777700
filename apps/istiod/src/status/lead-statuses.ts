import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { describeRef, runAsLeader } from '@ambient/kube'
import type { ResourceWriter } from '@ambient/kube'
import type { Logger } from '@ambient/telemetry'
import type { IstiodMetrics } from '../admin/istiod-metrics.ts'
import type { MeshState } from '../translate/mesh-state.ts'
import { type StatusDeps, writeStatuses, type WriteOutcome } from './write-statuses.ts'

export interface LeadStatusesDeps extends Pick<StatusDeps, 'clock'> {
  readonly state: Pick<MeshState, 'status'>
  readonly writer: Pick<ResourceWriter, 'applyStatus' | 'lease'>
  readonly metrics: IstiodMetrics
  readonly logger: Logger
}

const LEASE = 'istio-status-leader'

/** Writes statuses while this istiod is the one of all replicas that may; ends with `signal`. */
export async function leadStatuses(deps: LeadStatusesDeps, signal: AbortSignal): Promise<void> {
  const { state, writer, clock, metrics, logger } = deps
  const onWrite = (outcome: WriteOutcome): void => {
    metrics.onStatusWrite(outcome.kind)
    if (outcome.kind !== 'given-up') return
    const reason = outcome.cause instanceof Error ? outcome.cause.message : String(outcome.cause)
    logger.error(`Cannot write the status of ${describeRef(outcome.ref)}: ${reason}`, {
      reason: 'STATUS_NOT_WRITTEN',
    })
  }
  await runAsLeader(
    {
      writer,
      clock,
      name: LEASE,
      holder: `${hostname()}_${randomUUID()}`,
      onChange: (isLeading) => {
        metrics.onLeading(LEASE, isLeading)
        logger.info(isLeading ? 'leads' : 'leads no more', { lease: LEASE })
      },
      onFailure: (cause) => logger.warn('cannot ask for the lease', { lease: LEASE, error: String(cause) }),
    },
    (term) => writeStatuses({ state: state.status, writer, clock, onWrite }, term),
    signal,
  )
}
