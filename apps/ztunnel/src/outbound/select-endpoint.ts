import { isIpv6, type LoadBalancingScope, type Service, serviceName, type Workload } from '@ambient/model'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { type Candidates, weigh } from '../state/selection-cache.ts'

export interface EndpointWish {
  readonly source: Workload
  readonly servicePort: number
  /** The address whose family is preferred: the virtual IP that was dialled. */
  readonly requestedIp: string
  /** A waypoint may take connections for ports its service does not name. */
  readonly mode: 'standard' | 'waypoint'
  readonly random: { float(): number }
  readonly avoid: AvoidedEndpoints
}

/** Endpoints by `endpointKey`. */
export interface AvoidedEndpoints {
  /** By this very connection: never again. */
  readonly tried: { has(endpoint: string): boolean }
  /** By others, a moment ago: only if there is no better one. */
  readonly failing: { has(endpoint: string): boolean }
}

export interface SelectedEndpoint {
  readonly workload: Workload
  /** `undefined` when the workload has no address of its own: it is behind a gateway, or known by host name. */
  readonly ip: string | undefined
  readonly port: number
}

/** What is tried and remembered: an app's port may be closed while others of the same pod are open. */
export function endpointKey(workload: Pick<Workload, 'uid'>, port: number): string {
  return `${workload.uid}|${port}`
}

/**
 * One endpoint of `service` by weighted chance among those that are usable and near enough.
 *
 * @returns `undefined` when there is none: no endpoint ready, port unknown, nothing near enough for a strict service.
 * @see ztunnel `src/state.rs`, load balancing
 */
export function selectEndpoint(
  snapshot: MeshSnapshot,
  service: Service,
  wish: EndpointWish,
): SelectedEndpoint | undefined {
  const { selections, workloads } = snapshot.endpointsOf(service)
  const candidates = selections.get(placeKey(service, wish), () =>
    nearest(service, usable(service, workloads.values(), wish), wish.source),
  )
  const first = draw(candidates, wish.random)
  if (first === undefined) return undefined
  const workload = isAvoided(service, first, wish) ? drawOther(service, workloads.values(), wish) : first
  const port = workload && endpointPort(service, workload, wish)
  if (workload === undefined || port === undefined) return undefined
  const fitting = workload.addresses.filter((ip) => fitsFamilies(service, ip))
  return { workload, ip: chooseIp(fitting, wish.requestedIp), port }
}

function isAvoided(service: Service, workload: Workload, wish: EndpointWish): boolean {
  const key = endpointKey(workload, endpointPort(service, workload, wish) ?? 0)
  return wish.avoid.tried.has(key) || wish.avoid.failing.has(key)
}

/**
 * Among the others, as if those to be avoided were not there: a farther one may do where the service allows it. When
 * all have failed somebody, one that this connection has not tried itself.
 */
function drawOther(
  service: Service,
  endpoints: Iterable<Workload>,
  wish: EndpointWish,
): Workload | undefined {
  const keyed = usable(service, endpoints, wish).map((workload) => ({
    workload,
    key: endpointKey(workload, endpointPort(service, workload, wish) ?? 0),
  }))
  const untried = keyed.filter(({ key }) => !wish.avoid.tried.has(key))
  const fine = untried.filter(({ key }) => !wish.avoid.failing.has(key))
  for (const pool of [fine, untried]) {
    const workloads = pool.map(({ workload }) => workload)
    const drawn = draw(weigh(nearest(service, workloads, wish.source)), wish.random)
    if (drawn !== undefined) return drawn
  }
  return undefined
}

/** Everything the candidates depend on besides the service and its endpoints; `requestedIp` does not matter to them. */
function placeKey(service: Service, { source, servicePort, mode }: EndpointWish): string {
  const base = `${mode}\u0000${servicePort}\u0000${source.network}`
  if (!isPlaced(service)) return base
  const { region, zone, subzone } = source.locality
  return [base, region, zone, subzone, source.node, source.clusterId].join('\u0000')
}

function isPlaced(service: Service): boolean {
  return service.loadBalancing?.mode === 'failover' || service.loadBalancing?.mode === 'strict'
}

function usable(service: Service, endpoints: Iterable<Workload>, wish: EndpointWish): readonly Workload[] {
  const takesUnhealthy = service.loadBalancing?.healthPolicy === 'allow-all'
  return [...endpoints].filter(
    (workload) =>
      (workload.status === 'healthy' || takesUnhealthy) &&
      isReachable(service, workload, wish.source) &&
      isOffered(service, workload, wish) &&
      endpointPort(service, workload, wish) !== undefined,
  )
}

function isReachable(service: Service, workload: Workload, source: Workload): boolean {
  if (workload.addresses.some((ip) => fitsFamilies(service, ip))) return true
  if (workload.addresses.length > 0) return false
  return (
    workload.hostname !== '' || (workload.network !== source.network && workload.networkGateway !== undefined)
  )
}

function isOffered(service: Service, workload: Workload, { servicePort, mode }: EndpointWish): boolean {
  if (mode === 'waypoint' && workload.applicationTunnel !== undefined) return true
  return service.ports.some((port) => port.servicePort === servicePort)
}

/** The endpoint's own number for the port, else the service's; 0 is a port by name, which only the endpoint can resolve. */
function endpointPort(
  service: Service,
  workload: Workload,
  { servicePort }: EndpointWish,
): number | undefined {
  const own = workload.services[serviceName(service)]?.find(
    (port) => port.servicePort === servicePort,
  )?.targetPort
  if (own !== undefined && own !== 0) return own
  const common = service.ports.find((port) => port.servicePort === servicePort)?.targetPort
  if (common !== undefined && common !== 0) return common
  return (workload.applicationTunnel?.port ?? 0) === 0 ? undefined : servicePort
}

/** Keeps those that share most of the client's place, as far as the service asks for it. */
function nearest(service: Service, workloads: readonly Workload[], source: Workload): readonly Workload[] {
  const preference = service.loadBalancing?.routingPreference ?? []
  switch (service.loadBalancing?.mode) {
    case 'strict':
      return workloads.filter((workload) => preference.every((scope) => isSame(scope, workload, source)))
    case 'failover': {
      const ranks = workloads.map((workload) => rank(preference, workload, source))
      const highest = Math.max(...ranks)
      return workloads.filter((_, i) => ranks[i] === highest)
    }
    default:
      return workloads
  }
}

/**
 * How many leading scopes match. With NETWORK first, a match outweighs all others together, so that an endpoint of our
 * own network always wins, and a mismatch does not end the comparison, so that remote endpoints still have an order.
 */
function rank(preference: readonly LoadBalancingScope[], workload: Workload, source: Workload): number {
  const [first, ...rest] = preference
  if (first !== 'network') return leadingMatches(preference, workload, source)
  const bonus = isSame('network', workload, source) ? preference.length : 0
  return bonus + leadingMatches(rest, workload, source)
}

function leadingMatches(
  preference: readonly LoadBalancingScope[],
  workload: Workload,
  source: Workload,
): number {
  const mismatch = preference.findIndex((scope) => !isSame(scope, workload, source))
  return mismatch < 0 ? preference.length : mismatch
}

function isSame(scope: LoadBalancingScope, workload: Workload, source: Workload): boolean {
  switch (scope) {
    case 'region':
      return workload.locality.region === source.locality.region
    case 'zone':
      return workload.locality.zone === source.locality.zone
    case 'subzone':
      return workload.locality.subzone === source.locality.subzone
    case 'node':
      return workload.node === source.node
    case 'cluster':
      return workload.clusterId === source.clusterId
    case 'network':
      return workload.network === source.network
  }
}

/** Weighted by capacity, in logarithmic time; nobody when no candidate has any. */
function draw({ workloads, sums }: Candidates, random: { float(): number }): Workload | undefined {
  const at = random.float() * (sums.at(-1) ?? 0)
  let low = 0
  let high = sums.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sums[middle] ?? 0) > at) high = middle
    else low = middle + 1
  }
  return workloads[low]
}

/** The address that was asked for, else one of its family, else any. */
export function chooseIp(addresses: readonly string[], requestedIp: string): string | undefined {
  if (addresses.includes(requestedIp)) return requestedIp
  return addresses.find((ip) => isIpv6(ip) === isIpv6(requestedIp)) ?? addresses[0]
}

function fitsFamilies(service: Service, ip: string): boolean {
  switch (service.ipFamilies) {
    case 'ipv4-only':
      return !isIpv6(ip)
    case 'ipv6-only':
      return isIpv6(ip)
    default:
      return true
  }
}
