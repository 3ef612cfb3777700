import { isIpv6, type Service } from '@ambient/model'
import type { HostPort } from '../outbound/route.ts'
import type { InboundRequest } from './inbound-request.ts'

/** How the app is reached, once policy has allowed it. */
export interface AppDial {
  readonly ip: string
  /** Whom the app is to see; `undefined` leaves that to the kernel. */
  readonly sourceIp: string | undefined
  /** Told to the app in a PROXY header before anything else, as the address that the peer asked for. */
  readonly proxyTo: HostPort | undefined
}

/**
 * @param service The one that was asked for by name.
 * @returns `undefined` when the app wants a PROXY header and that service has no address to put into it.
 */
export function appDial(request: InboundRequest, service: Service | undefined): AppDial | undefined {
  const { local, localIp, peerIp, tunnelsToLoopback } = request
  const isProxied = local.applicationTunnel?.protocol === 'proxy'
  const proxyTo = isProxied ? proxyAddress(request, service) : undefined
  if (isProxied && proxyTo === undefined) return undefined
  if (isProxied && tunnelsToLoopback) {
    const loopback = isIpv6(localIp) ? '::1' : '127.0.0.1'
    return { ip: loopback, sourceIp: loopback, proxyTo }
  }
  // An app that calls itself needs no foreign source, and binding to its own address would clash with it.
  return { ip: localIp, sourceIp: peerIp === localIp ? undefined : peerIp, proxyTo }
}

/** A PROXY header names addresses only: for a name it is the service's on our network, IPv4 first. */
function proxyAddress(
  { authority, local }: InboundRequest,
  service: Service | undefined,
): HostPort | undefined {
  if (authority.kind === 'address') return { ip: authority.ip, port: authority.port }
  const virtual = (service?.addresses ?? []).filter(({ prefixLength }) => prefixLength === undefined)
  const ours = virtual.filter(({ network }) => network === local.network)
  const ip = (ours.find((address) => !isIpv6(address.ip)) ?? ours[0] ?? virtual[0])?.ip
  return ip === undefined ? undefined : { ip, port: authority.port }
}
