import type { Service, Workload } from '@ambient/model'
import type { SpiffeId } from '@ambient/spiffe'
import type { ResponseFlag } from '@ambient/telemetry'

export interface TrafficEnd {
  readonly workload: Workload | undefined
  /** Only when mTLS proved it. */
  readonly identity: SpiffeId | undefined
}

export interface TrafficFacts {
  readonly reporter: 'source' | 'destination'
  readonly source: TrafficEnd
  readonly destination: TrafficEnd
  readonly service: Service | undefined
  readonly security: 'mutual_tls' | 'unknown'
}

/**
 * Label values of the `istio_tcp_*` counters in the metric table's order. Missing ones are `unknown`, as upstream's.
 *
 * @see ztunnel `src/proxy/metrics.rs`
 */
export function trafficLabels(facts: TrafficFacts, flag: ResponseFlag): readonly string[] {
  const { reporter, source, destination, service, security } = facts
  const labels = [
    reporter,
    ...endLabels(source),
    service?.hostname,
    service?.namespace,
    service?.name,
    ...endLabels(destination),
    'tcp',
    flag,
    security,
    ...placeLabels(source.workload),
    ...placeLabels(destination.workload),
  ]
  return labels.map((label) => (label === undefined || label === '' ? 'unknown' : label))
}

/** Workload, canonical service, revision, namespace, principal, app, version, cluster: the same eight for both ends. */
function endLabels({ workload, identity }: TrafficEnd): readonly (string | undefined)[] {
  return [
    workload?.workloadName,
    workload?.canonicalName,
    workload?.canonicalRevision,
    workload?.namespace,
    identity,
    workload?.canonicalName,
    workload?.canonicalRevision,
    workload?.clusterId,
  ]
}

function placeLabels(workload: Workload | undefined): readonly (string | undefined)[] {
  return [workload?.locality.region, workload?.locality.zone]
}
