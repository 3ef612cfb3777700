import { type GatewayAddress, type Service, serviceName, type Workload } from '@ambient/model'
import type { SpiffeId } from '@ambient/spiffe'
import { illegalPorts, type TrafficReasonCode } from '@ambient/telemetry'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'

/** What CONNECT asked for; `parseAuthority` of hbone makes it. */
export type InboundAuthority =
  | { readonly kind: 'address'; readonly ip: string; readonly port: number }
  | { readonly kind: 'hostname'; readonly hostname: string; readonly port: number }

export interface InboundRequest {
  readonly local: Workload
  /** The address of ours that the peer dialled. */
  readonly localIp: string
  readonly authority: InboundAuthority
  readonly peer: SpiffeId | undefined
  readonly peerIp: string
  /** The `x-forwarded-network` header: a network gateway stands between, so `peerIp` is not the client's. */
  readonly forwardedNetwork?: string | undefined
  /** The network this node proxy is configured for; needed to read `forwardedNetwork`. */
  readonly network?: string | undefined
}

export type InboundRoute =
  | {
      readonly kind: 'connect'
      /** Always `localIp`: the authority's address is checked, never dialled. */
      readonly ip: string
      readonly port: number
      /** Who the peer's address belongs to, if that agrees with the identity it proved. For telemetry only. */
      readonly sourceWorkload: Workload | undefined
    }
  | {
      readonly kind: 'reject'
      readonly status: 400 | 503
      readonly reason: TrafficReasonCode
      readonly detail: string
    }

/**
 * What an HBONE request for `local` leads to. Says nothing of whether the peer may: that is `authorizeInbound`. Pure.
 *
 * @see ztunnel `src/proxy/inbound.rs`
 */
export function resolveInbound(snapshot: MeshSnapshot, request: InboundRequest): InboundRoute {
  const { local, localIp, authority } = request
  if (!isForLocal(snapshot, request)) {
    const asked = authority.kind === 'address' ? authority.ip : authority.hostname
    return {
      kind: 'reject',
      status: 400,
      reason: 'AUTHORITY_MISMATCH',
      detail: `ip mismatch: ${asked} != ${localIp}`,
    }
  }
  const port = authority.kind === 'address' ? authority.port : hostnamePort(snapshot, local, authority)
  if (port === undefined) {
    return {
      kind: 'reject',
      status: 503,
      reason: 'PORT_UNRESOLVED',
      detail: unresolved(snapshot, local, authority),
    }
  }
  if (illegalPorts.has(port)) {
    return {
      kind: 'reject',
      status: 503,
      reason: 'SELF_CALL',
      detail: 'attempted recursive call to ourselves',
    }
  }
  if (local.applicationTunnel?.protocol === 'proxy') {
    const detail = `${local.uid} asks for a PROXY protocol tunnel`
    return { kind: 'reject', status: 503, reason: 'APPLICATION_TUNNEL_UNSUPPORTED', detail }
  }
  const tunnelPort = local.applicationTunnel?.port ?? 0
  return {
    kind: 'connect',
    ip: localIp,
    port: tunnelPort === 0 ? port : tunnelPort,
    sourceWorkload: sourceOf(snapshot, request),
  }
}

/** A peer may ask for our own address, for a service by name, or for anything that we are the waypoint of. */
function isForLocal(snapshot: MeshSnapshot, { local, localIp, authority }: InboundRequest): boolean {
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
  const service =
    destination.kind === 'hostname'
      ? snapshot.service(`${destination.namespace}/${destination.hostname}`)
      : snapshot.serviceByVip(destination.network, destination.ip, undefined)
  if (service !== undefined) return snapshot.endpointsOf(service).workloads.has(local.uid)
  if (destination.kind === 'hostname') return false
  return snapshot.workloadByAddress(destination.network, destination.ip)?.addresses.includes(localIp) === true
}

function hostnamePort(
  snapshot: MeshSnapshot,
  local: Workload,
  authority: Extract<InboundAuthority, { kind: 'hostname' }>,
): number | undefined {
  const service = snapshot.serviceByHostname(authority.hostname, local.namespace)
  if (service === undefined) return undefined
  const own =
    local.services[serviceName(service)]?.find((port) => port.servicePort === authority.port)?.targetPort ?? 0
  const common = service.ports.find((port) => port.servicePort === authority.port)?.targetPort ?? 0
  if (own !== 0) return own
  return common === 0 ? undefined : common
}

function unresolved(snapshot: MeshSnapshot, local: Workload, authority: InboundAuthority): string {
  const name = authority.kind === 'hostname' ? authority.hostname : authority.ip
  const isKnown = snapshot.serviceByHostname(name, local.namespace) !== undefined
  const problem = isKnown ? 'found, but cannot resolve port' : 'not found'
  return `requested service ${name}:${authority.port} ${problem}`
}

/** An address that another identity proves than its workload has is shared, spoofed or old: it names nobody. */
function sourceOf(
  snapshot: MeshSnapshot,
  { local, peer, peerIp, forwardedNetwork, network }: InboundRequest,
): Workload | undefined {
  if (
    forwardedNetwork !== undefined &&
    forwardedNetwork.toLowerCase() !== (network ?? local.network).toLowerCase()
  )
    return undefined
  const workload = snapshot.workloadByAddress(local.network, peerIp)
  if (workload === undefined || peer === undefined) return workload
  const { trustDomain, namespace, serviceAccount } = workload
  return peer === `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}` ? workload : undefined
}
