import { formatHostPort, type GatewayAddress, type Service, type Workload } from '@ambient/model'
import { gatewayName, gatewayTarget } from '../state/gateway-target.ts'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { expectedIds, identityText } from './expected-ids.ts'
import { resolveGateway } from './resolve-gateway.ts'
import type { OutboundAttempt, Route } from './route.ts'
import { routeThroughGateway } from './route-through-gateway.ts'
import { withAddress } from './with-address.ts'

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
  const found = resolveGateway(snapshot, attempt, gateway, 'waypoint')
  const name = gatewayName(gateway.destination)
  if (found === undefined)
    return { kind: 'reject', reason: 'WAYPOINT_UNKNOWN', detail: `unknown waypoint: ${name}` }
  if (found.workload.network !== source.network)
    return routeThroughGateway(snapshot, attempt, { ...found, isWaypoint: true }, destinationService)
  return withAddress(found, (ip) => ({
    kind: 'hbone',
    nextHop: { ip, port: found.port },
    authority: formatHostPort(destination.ip, destination.port),
    expectedIds: expectedIds(found.service, found.workload),
    isWaypoint: true,
    destinationService,
    destinationWorkload: found.workload,
    choices: found.choices,
  }))
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

function isSame(waypoint: Workload, { source, sourceIp }: OutboundAttempt): boolean {
  return identityText(waypoint) === identityText(source) && waypoint.addresses.includes(sourceIp)
}
