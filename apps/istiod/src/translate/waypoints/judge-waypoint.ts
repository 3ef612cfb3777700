import type { GatewayAddress } from '@ambient/model'
import { admits, takes, type Waypoint } from './waypoint.ts'
import {
  isServiceClient,
  type UnboundReason,
  type WaypointClient,
  type WaypointSources,
} from './waypoint-binding.ts'
import { waypointKey, type WaypointName } from './waypoint-wishes.ts'

/** The waypoint an object refers to, and what says so. */
export interface WaypointReference {
  readonly waypoint: WaypointName
  readonly level: 'object' | 'account' | 'namespace'
}

export type ReadyWaypoint = Waypoint & { readonly address: GatewayAddress }

/** Whether a waypoint can be used by one client. */
export type WaypointVerdict =
  | { readonly kind: 'usable'; readonly waypoint: ReadyWaypoint }
  | {
      readonly kind: 'refused'
      readonly reason: UnboundReason
      readonly detail: string
      /** Whether it would carry the client's traffic, for all that is known, were it only ready. */
      readonly wouldCarry: boolean
    }
  /** It would not take such traffic if it were ready, and nobody has asked for it in particular. */
  | { readonly kind: 'not-for-it'; readonly detail: string | undefined }

/** @param waypoint What the reference leads to, if there is such a thing. */
export function judgeWaypoint(
  client: WaypointClient,
  { level, waypoint: name }: WaypointReference,
  { waypoint, sources }: { readonly waypoint: Waypoint | undefined; readonly sources: WaypointSources },
): WaypointVerdict {
  const isTaken = takes(waypoint?.waypointFor ?? 'service', trafficOf(client))
  const isAsked = level === 'object' || (level === 'namespace' && isServiceClient(client))
  const found = { waypoint, isTaken, sources }
  if (isTaken || isAsked) return judgeFound(client, name, found)
  const isReady = waypoint?.address !== undefined
  return { kind: 'not-for-it', detail: isReady ? undefined : notReady(name, waypoint) }
}

interface Found {
  readonly waypoint: Waypoint | undefined
  /** Whether it takes this kind of traffic. */
  readonly isTaken: boolean
  readonly sources: WaypointSources
}

function judgeFound(
  client: WaypointClient,
  name: WaypointName,
  { waypoint, isTaken, sources }: Found,
): WaypointVerdict {
  const denied = waypoint === undefined ? undefined : denial(client, waypoint, sources)
  const address = waypoint?.address
  if (waypoint === undefined || address === undefined) {
    const wouldCarry = waypoint === undefined || (isTaken && denied === undefined)
    return { kind: 'refused', reason: 'WaypointIsNotReady', detail: notReady(name, waypoint), wouldCarry }
  }
  if (isTaken) return denied ?? { kind: 'usable', waypoint: { ...waypoint, address } }
  const detail = `waypoint ${waypointKey(name)} does not take ${trafficOf(client)} traffic`
  return refused('UnsupportedTrafficType', detail)
}

function trafficOf(client: WaypointClient): 'service' | 'workload' {
  return isServiceClient(client) ? 'service' : 'workload'
}

function notReady(name: WaypointName, waypoint: Waypoint | undefined): string {
  return `waypoint ${waypointKey(name)} ${whyNotReady(waypoint)}`
}

/** Why the waypoint may not carry the traffic of the client's namespace, if it may not. */
function denial(
  { namespace, isPrivate }: WaypointClient,
  waypoint: Waypoint,
  sources: WaypointSources,
): WaypointVerdict | undefined {
  const key = waypointKey(waypoint)
  if (isPrivate && waypoint.namespace !== namespace) {
    const detail = `waypoint ${key} is in another namespace, where this ServiceEntry is not visible`
    return refused('CrossNamespaceWaypointForbidden', detail)
  }
  if (admits(waypoint, namespace, () => sources.namespaceLabels())) return undefined
  return refused('AttachmentDenied', `the listener of waypoint ${key} does not allow namespace ${namespace}`)
}

function refused(reason: UnboundReason, detail: string): WaypointVerdict {
  return { kind: 'refused', reason, detail, wouldCarry: false }
}

function whyNotReady(waypoint: Waypoint | undefined): string {
  if (waypoint?.problem !== undefined) return `is not ready: ${waypoint.problem}`
  return waypoint?.wasInForce === true ? 'was in force and is gone' : 'is not ready and never was'
}
