import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { type ResourceWriter, runAsLeader } from '@ambient/kube'
import type { Clock } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import type { IstiodMetrics } from './admin/istiod-metrics.ts'

export interface LeadDeps {
  readonly writer: Pick<ResourceWriter, 'lease'>
  readonly clock: Clock
  readonly metrics: IstiodMetrics
  readonly logger: Logger
}

/**
 * Does what only one of all replicas may do, while this istiod is the one; ends with `signal`.
 *
 * @param lease The same for everybody who may do it, Istio's own control plane included.
 * @param work Ends without an error when its signal aborts.
 */
export function leadWork(
  { writer, clock, metrics, logger }: LeadDeps,
  lease: string,
  work: (term: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  return runAsLeader(
    {
      writer,
      clock,
      name: lease,
      holder: `${hostname()}_${randomUUID()}`,
      onChange: (isLeading) => {
        metrics.onLeading(lease, isLeading)
        logger.info(isLeading ? 'leads' : 'leads no more', { lease })
      },
      onFailure: (cause) => logger.warn('cannot ask for the lease', { lease, error: String(cause) }),
    },
    work,
    signal,
  )
}
