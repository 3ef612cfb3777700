import { isIpv6 } from './ip-address.ts'

/** An IP on a named network; two networks of one mesh may use the same IP for different things. */
export interface NetworkAddress {
  /** Empty for the one network of a mesh that has only one. */
  readonly network: string
  /** Canonical text. */
  readonly ip: string
  /** Present and shorter than the address for a range of virtual IPs. */
  readonly prefixLength?: number
}

/** Whether it stands for more than one IP. */
export function isAddressRange(
  address: NetworkAddress,
): address is NetworkAddress & { readonly prefixLength: number } {
  return address.prefixLength !== undefined && address.prefixLength < (isIpv6(address.ip) ? 128 : 32)
}

/** Where a waypoint or a network gateway is to be found. */
export interface GatewayAddress {
  readonly destination:
    | { readonly kind: 'hostname'; readonly namespace: string; readonly hostname: string }
    | { readonly kind: 'address'; readonly network: string; readonly ip: string }
  /** A service port if the destination is a service, else the port to dial. */
  readonly hboneMtlsPort: number
}

/** The key of every index by address: `network/ip`; the network may be empty. */
export function addressKey(network: string, ip: string): string {
  return `${network}/${ip}`
}
