import { type Service, serviceName, type Workload } from '@ambient/model'
import type { TrafficReasonCode } from '@ambient/telemetry'
import { identityText } from '../outbound/expected-ids.ts'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { type AppDial, appDial } from './app-dial.ts'
import type { InboundAuthority, InboundRequest } from './inbound-request.ts'
import { isForLocal } from './is-for-local.ts'

export type InboundRoute =
  | {
      readonly kind: 'connect'
      /** What policy is asked about. Always `localIp`: the authority's address is checked, never dialled. */
      readonly ip: string
      readonly port: number
      readonly dial: AppDial
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
    return reject(400, 'AUTHORITY_MISMATCH', `ip mismatch: ${asked} != ${localIp}`)
  }
  const target = targetOf(snapshot, local, authority)
  if (target === undefined) return reject(503, 'PORT_UNRESOLVED', unresolved(snapshot, local, authority))
  if (request.illegalPorts.has(target.port))
    return reject(503, 'SELF_CALL', 'attempted recursive call to ourselves')
  const dial = appDial(request, target.service)
  if (dial === undefined) {
    const name = target.service?.hostname ?? ''
    return reject(503, 'PROXY_ADDRESS_MISSING', `requested service ${name} found, but has no IP addresses`)
  }
  const tunnelPort = local.applicationTunnel?.port ?? 0
  return {
    kind: 'connect',
    ip: localIp,
    port: tunnelPort === 0 ? target.port : tunnelPort,
    dial,
    sourceWorkload: sourceOf(snapshot, request),
  }
}

function reject(status: 400 | 503, reason: TrafficReasonCode, detail: string): InboundRoute {
  return { kind: 'reject', status, reason, detail }
}

interface Target {
  readonly port: number
  /** Only when it was asked for by name. */
  readonly service: Service | undefined
}

function targetOf(snapshot: MeshSnapshot, local: Workload, authority: InboundAuthority): Target | undefined {
  if (authority.kind === 'address') return { port: authority.port, service: undefined }
  const service = snapshot.serviceByHostname(authority.hostname, local.namespace)
  if (service === undefined) return undefined
  const own =
    local.services[serviceName(service)]?.find((port) => port.servicePort === authority.port)?.targetPort ?? 0
  const common = service.ports.find((port) => port.servicePort === authority.port)?.targetPort ?? 0
  const port = own === 0 ? common : own
  return port === 0 ? undefined : { port, service }
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
  return peer === identityText(workload) ? workload : undefined
}
