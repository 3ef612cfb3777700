import { formatHostPort, type Service, serviceName, type Workload } from '@ambient/model'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { expectedIds } from './expected-ids.ts'
import { isFromWaypoint, routeToWaypoint, waypointOf } from './resolve-waypoint.ts'
import type { AcceptedRoute, Destination, HostPort, OutboundAttempt, Route } from './route.ts'
import { routeThroughGateway } from './route-through-gateway.ts'
import { endpointKey, selectEndpoint } from './select-endpoint.ts'
import { withAddress } from './with-address.ts'

const HBONE_PORT = 15008

/**
 * Where an outbound connection goes and how. The first rule that applies wins; an address nobody knows is let through,
 * a service nobody serves is not. Pure.
 *
 * @see ztunnel `src/proxy/outbound.rs`, `src/state.rs`
 */
export function resolveDestination(snapshot: MeshSnapshot, attempt: OutboundAttempt): Route {
  const { source, destination, network, random } = attempt
  const addressed = addressedService(snapshot, network, attempt)
  const serviceWaypoint = addressed === undefined ? undefined : waypointOf(addressed, random)
  if (serviceWaypoint !== undefined) return routeToWaypoint(snapshot, attempt, serviceWaypoint, addressed)

  const service = snapshot.serviceByVip(source.network, destination.ip, source.namespace)
  if (service !== undefined) return routeToService(snapshot, attempt, service)

  const workload = snapshot.workloadByAddress(source.network, destination.ip)
  if (workload === undefined) return passthrough(destination, undefined)
  const isOwnWaypoint =
    workload.waypoint !== undefined && isFromWaypoint(snapshot, attempt, workload.waypoint)
  if (workload.waypoint !== undefined && !isOwnWaypoint)
    return routeToWaypoint(snapshot, attempt, workload.waypoint, undefined)
  return routeToWorkload(workload, destination, { service: undefined, choices: [] })
}

/** Only a service's own address leads to its waypoint: a pod's address that is also a virtual IP is the pod's. */
function addressedService(
  snapshot: MeshSnapshot,
  network: string,
  { source, destination }: OutboundAttempt,
): Service | undefined {
  if (snapshot.workloadByAddress(network, destination.ip) !== undefined) return undefined
  return snapshot.serviceByVip(network, destination.ip, source.namespace)
}

function routeToService(snapshot: MeshSnapshot, attempt: OutboundAttempt, service: Service): Route {
  const { source, destination, random, avoid } = attempt
  if (service.loadBalancing?.mode === 'passthrough') return passthrough(destination, service)
  const selected = selectEndpoint(snapshot, service, {
    source,
    servicePort: destination.port,
    requestedIp: destination.ip,
    mode: 'standard',
    random,
    avoid,
  })
  if (selected === undefined) {
    const detail = `no healthy upstream: ${formatHostPort(destination.ip, destination.port)} (${serviceName(service)})`
    return { kind: 'reject', reason: 'NO_HEALTHY_UPSTREAM', detail }
  }
  const { workload, ip, port } = selected
  const choices = [endpointKey(workload, port)]
  if (workload.network !== source.network) {
    const upstream = { workload, service, choices, isWaypoint: false }
    return routeThroughGateway(snapshot, attempt, upstream, service)
  }
  return withAddress({ workload, ip, requestedIp: destination.ip, choices }, (found) =>
    routeToWorkload(workload, { ip: found, port }, { service, choices }),
  )
}

interface Choice {
  readonly service: Service | undefined
  readonly choices: readonly string[]
}

function routeToWorkload(workload: Workload, target: HostPort, { service, choices }: Choice): AcceptedRoute {
  const destination: Destination = {
    destinationService: service,
    destinationWorkload: workload,
    choices,
  }
  if (workload.tunnelProtocol === 'none') return { kind: 'tcp', nextHop: target, ...destination }
  return {
    kind: 'hbone',
    nextHop: { ip: target.ip, port: HBONE_PORT },
    authority: formatHostPort(target.ip, target.port),
    expectedIds: expectedIds(service, workload),
    isWaypoint: false,
    ...destination,
  }
}

function passthrough(nextHop: HostPort, destinationService: Service | undefined): Route {
  return {
    kind: 'passthrough',
    nextHop,
    destinationService,
    destinationWorkload: undefined,
    choices: [],
  }
}
