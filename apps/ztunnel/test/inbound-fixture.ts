import type { GatewayAddress, Service, Workload } from '@ambient/model'
import { parseSpiffeId } from '@ambient/spiffe'
import { illegalPorts } from '@ambient/telemetry'
import type { InboundAuthority, InboundRequest } from '../src/inbound/inbound-request.ts'
import { type InboundRoute, resolveInbound } from '../src/inbound/resolve-inbound.ts'
import type { MeshSnapshot } from '../src/state/mesh-snapshot.ts'
import { pod, service } from './mesh-fixture.ts'

export const POD_IP = '10.0.0.2'
export const OTHER_IP = '10.0.0.3'
export const VIP = '10.96.0.1'
export const byHostname: GatewayAddress = {
  destination: { kind: 'hostname', namespace: 'shop', hostname: 'waypoint' },
  hboneMtlsPort: 15008,
}
export const byPodIp: GatewayAddress = {
  destination: { kind: 'address', network: '', ip: POD_IP },
  hboneMtlsPort: 15008,
}
export const byOtherPodIp: GatewayAddress = {
  destination: { kind: 'address', network: '', ip: '10.0.0.77' },
  hboneMtlsPort: 15008,
}
export const byVip: GatewayAddress = {
  destination: { kind: 'address', network: '', ip: '10.96.0.9' },
  hboneMtlsPort: 15008,
}

export const local = pod('local', {
  addresses: [POD_IP],
  services: { 'shop/web': [{ servicePort: 90, targetPort: 9090, appProtocol: 'unknown' }] },
})
export const waypoint: Workload = { ...local, services: { 'shop/waypoint': [] } }
export const waypointService = service('waypoint', { addresses: [{ network: '', ip: '10.96.0.9' }] })
export const webPorts = [80, 90, 91].map((servicePort) => ({
  servicePort,
  targetPort: servicePort === 91 ? 0 : 8080,
  appProtocol: 'unknown' as const,
}))
export const webService = service('web', { addresses: [{ network: '', ip: VIP }], ports: webPorts })
export const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client' })
export const clientId = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/client')

export function ask(
  snapshot: MeshSnapshot,
  authority: InboundAuthority,
  over: Partial<InboundRequest> = {},
): InboundRoute {
  return resolveInbound(snapshot, {
    local,
    localIp: POD_IP,
    authority,
    peer: clientId,
    peerIp: '10.0.0.1',
    tunnelsToLoopback: true,
    illegalPorts: illegalPorts({ socks5: false }),
    ...over,
  })
}

export const address = (ip: string, port = 80): InboundAuthority => ({ kind: 'address', ip, port })
export const hostname = (name: string, port: number): InboundAuthority => ({
  kind: 'hostname',
  hostname: name,
  port,
})
export const mismatch = '400 AUTHORITY_MISMATCH'
export const fine = `connect ${POD_IP}:80`

export function brief(route: InboundRoute): string {
  return route.kind === 'reject' ? `${route.status} ${route.reason}` : `connect ${route.ip}:${route.port}`
}

export interface Row {
  readonly name: string
  readonly mesh: readonly (Workload | Service)[]
  readonly authority: InboundAuthority
  readonly expected: string
  readonly over?: Partial<InboundRequest>
}
