import type { GatewayAddress, Service } from '@ambient/model'
import type { WaypointBinding } from './waypoint-binding.ts'

/** What a service is sent with for its waypoint. */
export function serviceWaypoint(
  binding: WaypointBinding | undefined,
): Pick<Service, 'waypoint' | 'weightedWaypoints' | 'ingressUseWaypoint'> {
  return {
    waypoint: waypointAddress(binding),
    weightedWaypoints: binding?.kind === 'bound' ? binding.weighted : [],
    ingressUseWaypoint: binding?.kind === 'bound' && binding.ingress === true,
  }
}

export function waypointAddress(binding: WaypointBinding | undefined): GatewayAddress | undefined {
  return binding === undefined || binding.kind === 'none' ? undefined : binding.address
}
