import { equalPlain } from '@ambient/collections'
import {
  type Address,
  type AppProtocol,
  type GatewayAddress,
  isAddressRange,
  type Service,
  serviceName,
  type Workload,
} from '@ambient/model'
import type { ChainProtocol } from './envoy-names.ts'

/** What a waypoint serves, in the order it is written. */
export interface ServedTraffic {
  readonly services: readonly ServedService[]
  /** Addresses of workloads whose own traffic passes it. */
  readonly workloadIps: readonly string[]
}

export interface ServedService {
  readonly service: Service
  /** Its virtual IPs; none for a service that is only a target of others. */
  readonly ips: readonly string[]
  readonly ports: readonly ServedPort[]
}

export interface ServedPort {
  readonly port: number
  /** Two where only the first bytes tell. */
  readonly protocols: readonly ChainProtocol[]
  readonly http2: boolean
  readonly endpoints: readonly ServedEndpoint[]
}

export interface ServedEndpoint {
  readonly workload: Workload
  readonly ip: string
  readonly port: number
}

/** @param waypoint Where node proxies find it: whoever has this address as its waypoint is served. */
export function servedTraffic(addresses: Iterable<Address>, waypoint: GatewayAddress): ServedTraffic {
  const isServed = (address: GatewayAddress | undefined): boolean => equalPlain(address, waypoint)
  const all = [...addresses]
  const workloads = all.flatMap((each) => (each.kind === 'workload' ? [each.workload] : []))
  const services = all.flatMap((each) => (each.kind === 'service' ? [each.service] : []))
  const memberships = workloads.flatMap((workload) =>
    Object.keys(workload.services).map((of) => ({ of, workload })),
  )
  const members = Map.groupBy(memberships, ({ of }) => of)
  const bound = services.filter((service) =>
    [service.waypoint, ...service.weightedWaypoints.map(({ destination }) => destination)].some(isServed),
  )
  const ips = workloads.flatMap((workload) => (isServed(workload.waypoint) ? workload.addresses : []))
  return {
    services: oneForEachHost(bound).map((service) =>
      servedService(
        service,
        (members.get(serviceName(service)) ?? []).map(({ workload }) => workload),
      ),
    ),
    workloadIps: [...new Set(ips)].toSorted(),
  }
}

/**
 * Two services of one host would have chains of one name, and Envoy then takes none at all: a Service of Kubernetes comes
 * before a ServiceEntry, then the namespace decides.
 */
function oneForEachHost(services: readonly Service[]): readonly Service[] {
  const rank = ({ canonical, namespace }: Service): string => `${canonical ? 0 : 1} ${namespace}`
  const ranked = services.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))
  const byHost = new Map(ranked.toReversed().map((service) => [service.hostname, service]))
  return [...byHost.values()].toSorted((a, b) => (a.hostname < b.hostname ? -1 : 1))
}

function servedService(service: Service, members: readonly Workload[]): ServedService {
  const sorted = members.toSorted((a, b) => (a.uid < b.uid ? -1 : 1))
  return {
    service,
    ips: service.addresses.flatMap((address) => (isAddressRange(address) ? [] : [address.ip])).toSorted(),
    ports: service.ports
      .toSorted((a, b) => a.servicePort - b.servicePort)
      .map(({ servicePort, appProtocol }) => ({
        port: servicePort,
        ...spoken(appProtocol),
        endpoints: sorted.flatMap((workload) => endpoints(service, servicePort, workload)),
      })),
  }
}

function spoken(protocol: AppProtocol): Pick<ServedPort, 'protocols' | 'http2'> {
  switch (protocol) {
    case 'http11':
      return { protocols: ['http'], http2: false }
    case 'http2':
    case 'grpc':
      return { protocols: ['http'], http2: true }
    case 'tcp':
    case 'tls':
      return { protocols: ['tcp'], http2: false }
    case 'unknown':
      return { protocols: ['http', 'tcp'], http2: false }
  }
}

/** One for each workload: two addresses of one pod are no two endpoints. */
function endpoints(service: Service, servicePort: number, workload: Workload): readonly ServedEndpoint[] {
  const mapping = workload.services[serviceName(service)]?.find((each) => each.servicePort === servicePort)
  const [ip] = workload.addresses
  return mapping === undefined || ip === undefined || mapping.targetPort === 0
    ? []
    : [{ workload, ip, port: mapping.targetPort }]
}
