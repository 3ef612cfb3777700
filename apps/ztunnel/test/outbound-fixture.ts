import type { GatewayAddress, Service, Workload } from '@ambient/model'
import { resolveDestination } from '../src/outbound/resolve-destination.ts'
import type { OutboundAttempt, Route } from '../src/outbound/route.ts'
import type { MeshSnapshot } from '../src/state/mesh-snapshot.ts'
import { at, pod, port, serves, service } from './mesh-fixture.ts'

export const VIP = '10.96.0.1'
export const WAYPOINT: GatewayAddress = {
  destination: { kind: 'hostname', namespace: 'shop', hostname: 'waypoint' },
  hboneMtlsPort: 15008,
}
export const AVOID_NONE: OutboundAttempt['avoid'] = { tried: new Set(), failing: new Set() }
export const spiffe = (account: string): string => `spiffe://cluster.local/ns/shop/sa/${account}`

export const client = pod('client', {
  addresses: ['10.0.0.1'],
  serviceAccount: 'client',
  node: 'n1',
  locality: { region: 'r', zone: 'z', subzone: 's' },
})
export const web = pod('web', {
  addresses: ['10.0.0.2'],
  serviceAccount: 'web',
  ...serves('web', [80, 8080]),
})
export const webService = service('web', { addresses: [at(VIP)], ports: [port(80, 8080)] })

export const waypointService = service('waypoint', {
  addresses: [at('10.96.0.9')],
  ports: [port(15008, 15008)],
})
export const waypointPod = pod('waypoint-1', {
  addresses: ['10.0.0.9'],
  serviceAccount: 'waypoint',
  ...serves('waypoint', [15008, 15008]),
})
export const throughWaypoint = `waypoint hbone 10.0.0.9:15008 for ${VIP}:80 as waypoint`

export interface OutboundRow {
  readonly name: string
  readonly mesh: readonly (Workload | Service)[]
  readonly to: readonly [ip: string, port: number]
  readonly expected: string
  readonly over?: Partial<OutboundAttempt>
}

export function dial(
  snapshot: MeshSnapshot,
  ip: string,
  portNumber: number,
  over: Partial<OutboundAttempt> = {},
): Route {
  const random = { float: () => 0.5 }
  return resolveDestination(snapshot, {
    source: client,
    sourceIp: '10.0.0.1',
    destination: { ip, port: portNumber },
    network: '',
    random,
    avoid: AVOID_NONE,
    ...over,
  })
}

/** A route in one line: kind, next hop, authority, accounts that may answer. */
export function brief(route: Route): string {
  if (route.kind === 'reject') return `reject ${route.reason}`
  if (route.kind === 'unresolved')
    return `resolve ${route.hostname}, then ${brief(route.resume('192.0.2.7'))}`
  const hop = `${route.kind} ${route.nextHop.ip}:${route.nextHop.port}`
  if (!('authority' in route)) return hop
  const inside = route.kind === 'double-hbone' ? `, inside ${accounts(route.innerIds)}` : ''
  const who = accounts(route.expectedIds)
  return `${route.isWaypoint ? 'waypoint ' : ''}${hop} for ${route.authority} as ${who}${inside}`
}

function accounts(ids: readonly string[]): string {
  return ids.map((id) => id.split('/').at(-1)).join('+')
}

/** The workload that was picked. */
export function pickedOf(route: Route): Workload | undefined {
  return 'destinationWorkload' in route ? route.destinationWorkload : undefined
}
