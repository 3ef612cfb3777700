import type { GatewayAddress, Service, Workload } from '@ambient/model'
import { gatewayTarget } from '../state/gateway-target.ts'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import type { InboundRequest } from './inbound-request.ts'

/** A peer may ask for our own address, for a service by name, or for anything that we are the waypoint of. */
export function isForLocal(snapshot: MeshSnapshot, { local, localIp, authority }: InboundRequest): boolean {
  if (authority.kind === 'hostname' || authority.ip === localIp || local.applicationTunnel !== undefined)
    return true
  const workload = snapshot.workloadByAddress(local.network, authority.ip)
  if (workload !== undefined)
    return workload.waypoint !== undefined && isWaypointFor(snapshot, workload.waypoint, local, localIp)
  const service = snapshot.serviceByVip(local.network, authority.ip, undefined)
  return (
    service !== undefined &&
    waypointsOf(service).some((waypoint) => isWaypointFor(snapshot, waypoint, local, localIp))
  )
}

/** Upstream forgets the weighted ones here, and so refuses the traffic that it sends to them itself. */
function waypointsOf(service: Service): readonly GatewayAddress[] {
  const weighted = service.weightedWaypoints.map(({ destination }) => destination)
  return service.waypoint === undefined ? weighted : [service.waypoint, ...weighted]
}

function isWaypointFor(
  snapshot: MeshSnapshot,
  { destination }: GatewayAddress,
  local: Workload,
  localIp: string,
): boolean {
  const waypoint = gatewayTarget(snapshot, destination, undefined)
  if (waypoint === undefined) return false
  return waypoint.kind === 'service'
    ? snapshot.endpointsOf(waypoint.service).workloads.has(local.uid)
    : waypoint.workload.addresses.includes(localIp)
}
