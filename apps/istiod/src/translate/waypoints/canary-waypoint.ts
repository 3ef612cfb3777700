import type { GatewayAddress } from '@ambient/model'
import { judgeWaypoint, type WaypointReference } from './judge-waypoint.ts'
import { isServiceClient, type WaypointClient, type WaypointSources } from './waypoint-binding.ts'
import { NO_WISHES, waypointKey, type WaypointName, wishedWaypoint } from './waypoint-wishes.ts'

/** The waypoint that gets a part of the traffic of another. */
export type Canary =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'used'
      readonly name: WaypointName
      readonly address: GatewayAddress
      readonly weight: number
    }
  | { readonly kind: 'refused'; readonly problem: string }

/**
 * The canary of a service that uses `primary`: wished for by the object if that names the primary as well, else by the
 * object or its namespace.
 *
 * @see istiod.md 5.3
 */
export function canaryOf(
  client: WaypointClient,
  primary: WaypointReference,
  sources: WaypointSources,
): Canary {
  if (!isServiceClient(client) || primary.level === 'account') return { kind: 'none' }
  const { name, weight } = wishedCanary(client, primary)
  if (name === undefined || name === 'none') return { kind: 'none' }
  if (waypointKey(name) === waypointKey(primary.waypoint))
    return { kind: 'refused', problem: 'CanarySameAsPrimary: it is the waypoint itself' }
  if (!/^(100|\d{1,2})$/.test(weight))
    return { kind: 'refused', problem: `CanaryInvalidWeight: its weight must be from 0 to 100: "${weight}"` }
  const found = { waypoint: sources.waypoint(name), sources }
  const verdict = judgeWaypoint(client, { waypoint: name, level: 'object' }, found)
  switch (verdict.kind) {
    case 'usable':
      return { kind: 'used', name, address: verdict.waypoint.address, weight: Number(weight) }
    case 'refused':
      return { kind: 'refused', problem: `${verdict.reason}: ${verdict.detail}` }
    case 'not-for-it':
      return { kind: 'none' }
  }
}

function wishedCanary(
  { own, inherited, namespace }: WaypointClient,
  primary: WaypointReference,
): { readonly name: WaypointName | 'none' | undefined; readonly weight: string } {
  const fallback = primary.level === 'namespace' ? inherited : NO_WISHES
  const { canary, canaryNamespace } = own.canary === undefined ? fallback : own
  return {
    name: wishedWaypoint(canary, canaryNamespace, namespace),
    weight: own.canaryWeight ?? fallback.canaryWeight ?? '0',
  }
}
