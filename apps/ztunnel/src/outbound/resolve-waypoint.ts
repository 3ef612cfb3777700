import { formatHostPort, type GatewayAddress, type Service, type Workload } from '@ambient/model'
import { isSpiffeId, type SpiffeId } from '@ambient/spiffe'
import { gatewayTarget } from '../state/gateway-target.ts'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import type { OutboundAttempt, Route } from './route.ts'
import { chooseIp, endpointKey, selectEndpoint } from './select-endpoint.ts'

/** The waypoint of a service for this connection: one of the weighted ones by chance, else the only one. */
export function waypointOf(service: Service, random: { float(): number }): GatewayAddress | undefined {
  const total = service.weightedWaypoints.reduce((sum, { weight }) => sum + weight, 0)
  const at = random.float() * total
  let sum = 0
  for (const { destination, weight } of service.weightedWaypoints) {
    sum += weight
    if (at < sum) return destination
  }
  return service.waypoint
}

/**
 * The way to `gateway`. The authority is what the app dialled, untranslated: the waypoint chooses the endpoint. A
 * waypoint that cannot be resolved refuses the connection, since going direct would skip its policy.
 */
export function routeToWaypoint(
  snapshot: MeshSnapshot,
  attempt: OutboundAttempt,
  gateway: GatewayAddress,
  destinationService: Service | undefined,
): Route {
  const { destination, source } = attempt
  const found = resolveGateway(snapshot, attempt, gateway)
  const name = gatewayName(gateway)
  if (found === undefined)
    return { kind: 'reject', reason: 'WAYPOINT_UNKNOWN', detail: `unknown waypoint: ${name}` }
  if (found.workload.network !== source.network) {
    const detail = `waypoint ${name} is on network "${found.workload.network}", not "${source.network}"`
    return { kind: 'reject', reason: 'NETWORK_GATEWAY_UNSUPPORTED', detail }
  }
  if (found.ip === undefined) {
    return {
      kind: 'reject',
      reason: 'WORKLOAD_HOSTNAME_UNSUPPORTED',
      detail: `waypoint ${name} has no address`,
    }
  }
  return {
    kind: 'hbone',
    nextHop: { ip: found.ip, port: found.port },
    authority: formatHostPort(destination.ip, destination.port),
    expectedIds: expectedIds(found.service, found.workload),
    isWaypoint: true,
    destinationService,
    destinationWorkload: found.workload,
    endpoint: found.service && endpointKey(found.workload, found.port),
  }
}

/** Whether `attempt` comes out of one of the waypoint's own pods, which must not be sent back to it. */
export function isFromWaypoint(
  snapshot: MeshSnapshot,
  attempt: OutboundAttempt,
  gateway: GatewayAddress,
): boolean {
  const target = gatewayTarget(snapshot, gateway.destination, attempt.source.namespace)
  if (target?.kind !== 'service') return target !== undefined && isSame(target.workload, attempt)
  // The source is the pod that owns the listener; it is one of the waypoint's if it is one of the service's endpoints.
  return snapshot
    .endpointsOf(target.service)
    .workloads.values()
    .some((workload) => isSame(workload, attempt))
}

/** Who may answer for an endpoint: the service's further names, and the workload's own. */
export function expectedIds(service: Service | undefined, workload: Workload): readonly SpiffeId[] {
  const names = [...(service?.subjectAltNames ?? []), identityText(workload)]
  return [...new Set(names.filter(isSpiffeId))]
}

interface FoundGateway {
  readonly workload: Workload
  readonly service: Service | undefined
  readonly ip: string | undefined
  readonly port: number
}

function resolveGateway(
  snapshot: MeshSnapshot,
  attempt: OutboundAttempt,
  { destination, hboneMtlsPort }: GatewayAddress,
): FoundGateway | undefined {
  const { source, random, avoid } = attempt
  // One given by address prefers that address or its family, one given by name that of what the app dialled.
  const requestedIp = destination.kind === 'address' ? destination.ip : attempt.destination.ip
  const target = gatewayTarget(snapshot, destination, source.namespace)
  if (target === undefined) return undefined
  if (target.kind === 'service') {
    const wish = { source, servicePort: hboneMtlsPort, requestedIp, mode: 'waypoint', random, avoid } as const
    const selected = selectEndpoint(snapshot, target.service, wish)
    return selected === undefined ? undefined : { ...selected, service: target.service }
  }
  const { workload } = target
  return { workload, service: undefined, ip: chooseIp(workload.addresses, requestedIp), port: hboneMtlsPort }
}

function isSame(waypoint: Workload, { source, sourceIp }: OutboundAttempt): boolean {
  return identityText(waypoint) === identityText(source) && waypoint.addresses.includes(sourceIp)
}

function identityText({ trustDomain, namespace, serviceAccount }: Workload): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`
}

function gatewayName({ destination }: GatewayAddress): string {
  return destination.kind === 'hostname'
    ? `${destination.namespace}/${destination.hostname}`
    : `${destination.network}/${destination.ip}`
}
