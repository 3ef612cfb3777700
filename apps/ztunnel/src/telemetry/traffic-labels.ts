import type { BaggageFacts } from '@ambient/hbone'
import type { Service, Workload } from '@ambient/model'
import { type SpiffeId, spiffeParts } from '@ambient/spiffe'
import type { ResponseFlag } from '@ambient/telemetry'

export interface TrafficEnd {
  readonly workload: Workload | undefined
  /** Only when mTLS proved it. */
  readonly identity: SpiffeId | undefined
  /** What that end says of itself; used only when its workload is not known. */
  readonly baggage?: BaggageFacts | undefined
}

/** One end in the words of log and labels; empty or `undefined` where nothing is known. */
export interface EndDescription {
  readonly workloadName?: string | undefined
  readonly canonicalName?: string | undefined
  readonly canonicalRevision?: string | undefined
  readonly namespace?: string | undefined
  readonly app?: string | undefined
  readonly clusterId?: string | undefined
  readonly region?: string | undefined
  readonly zone?: string | undefined
}

export interface TrafficFacts {
  readonly reporter: 'source' | 'destination'
  readonly source: TrafficEnd
  readonly destination: TrafficEnd
  readonly service: Service | undefined
  readonly security: 'mutual_tls' | 'unknown'
}

const MAX_LABEL = 253

/**
 * Label values of the `istio_tcp_*` counters in the metric table's order. Missing ones are `unknown`, as upstream's.
 *
 * @see ztunnel `src/proxy/metrics.rs`
 */
export function trafficLabels(facts: TrafficFacts, flag: ResponseFlag): readonly string[] {
  const { reporter, service, security } = facts
  const source = describeEnd(facts.source)
  const destination = describeEnd(facts.destination)
  const labels = [
    reporter,
    ...endLabels(source, facts.source.identity),
    service?.hostname,
    service?.namespace,
    service?.name,
    ...endLabels(destination, facts.destination.identity),
    'tcp',
    flag,
    security,
    source.region,
    source.zone,
    destination.region,
    destination.zone,
  ]
  return known(labels)
}

/** Label values of `istio_on_demand_dns_total`. */
export function onDemandDnsLabels(source: TrafficEnd, hostname: string): readonly string[] {
  return known([...endLabels(describeEnd(source), source.identity), hostname])
}

function known(labels: readonly (string | undefined)[]): readonly string[] {
  return labels.map((one) => (one === undefined || one === '' ? 'unknown' : one))
}

/** What the mesh knows of an end comes first, what it says of itself second. */
export function describeEnd({ workload, identity, baggage }: TrafficEnd): EndDescription {
  if (workload !== undefined) {
    const { workloadName, canonicalName, canonicalRevision, namespace, clusterId, locality } = workload
    const { region, zone } = locality
    const app = canonicalName
    return { workloadName, canonicalName, canonicalRevision, namespace, app, clusterId, region, zone }
  }
  if (baggage === undefined) return {}
  return {
    workloadName: labelFrom(baggage.workloadName),
    canonicalName: labelFrom(baggage.serviceName),
    canonicalRevision: labelFrom(baggage.serviceVersion),
    // The one thing that can be checked: whoever claims another namespace than it proved is not believed.
    namespace: identity === undefined ? labelFrom(baggage.namespace) : spiffeParts(identity).namespace,
    app: labelFrom(baggage.workloadName),
    clusterId: labelFrom(baggage.clusterId),
    region: labelFrom(baggage.region),
    zone: labelFrom(baggage.zone),
  }
}

/** A label has no use for more than a Kubernetes name may hold, and a peer shall not fill our memory with them. */
function labelFrom(value: string | undefined): string | undefined {
  return value === undefined || value.length > MAX_LABEL ? undefined : value
}

/** Workload, canonical service, revision, namespace, principal, app, version, cluster: the same eight for both ends. */
function endLabels(end: EndDescription, identity: SpiffeId | undefined): readonly (string | undefined)[] {
  return [
    end.workloadName,
    end.canonicalName,
    end.canonicalRevision,
    end.namespace,
    identity,
    end.app,
    end.canonicalRevision,
    end.clusterId,
  ]
}
