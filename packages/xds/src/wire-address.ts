import {
  type GatewayAddress,
  type IpFamilies,
  type AppProtocol,
  type HealthPolicy,
  ipFromBytes,
  ipToBytes,
  isIpv6,
  type LoadBalancing,
  type LoadBalancingMode,
  type LoadBalancingScope,
  type NetworkAddress,
  type PortMapping,
} from '@ambient/model'
import type { WireGatewayAddress, WireNetworkAddress, WirePort, WireService } from '@ambient/xds-proto'
import { type WireEnum, wireEnum } from './wire-enum.ts'
import { invalid } from './xds-error.ts'

const appProtocols = wireEnum<AppProtocol>('app protocol', [
  'unknown',
  'http11',
  'http2',
  'grpc',
  'tcp',
  'tls',
])
const modes = wireEnum<LoadBalancingMode>('load balancing mode', [
  'unspecified',
  'strict',
  'failover',
  'passthrough',
])
const healthPolicies = wireEnum<HealthPolicy>('health policy', ['only-healthy', 'allow-all'])
export const ipFamiliesEnum: WireEnum<IpFamilies> = wireEnum<IpFamilies>('IP families', [
  'automatic',
  'ipv4-only',
  'ipv6-only',
  'dual',
])
const scopes: readonly (LoadBalancingScope | undefined)[] = [
  undefined,
  'region',
  'zone',
  'subzone',
  'node',
  'cluster',
  'network',
]

type WireLoadBalancing = NonNullable<WireService['loadBalancing']>

/** @throws {XdsError} `RESOURCE_INVALID` unless there are 4 or 16 bytes. */
export function readIp(bytes: Uint8Array | null | undefined): string {
  const ip = ipFromBytes(bytes ?? new Uint8Array(0))
  if (ip === undefined) throw invalid(`an address of ${bytes?.length ?? 0} bytes`)
  return ip
}

export function writeIp(ip: string): Uint8Array {
  const bytes = ipToBytes(ip)
  if (bytes === undefined) throw invalid(`"${ip}" is not an IP address`)
  return bytes
}

/** IPv4-mapped IPv6 is folded to IPv4, and its prefix with it. @throws {XdsError} `RESOURCE_INVALID` for one that does not fit the address. */
export function readPrefixLength(ip: string, address: Uint8Array | null | undefined, length: number): number {
  const whole = isIpv6(ip) ? 128 : 32
  const bits = length - ((address?.length ?? 0) * 8 - whole)
  if (bits < 0 || bits > whole) throw invalid(`a prefix of ${length} bits for ${ip}`)
  return bits
}

export function readNetworkAddress({ network, address, length }: WireNetworkAddress): NetworkAddress {
  const ip = readIp(address)
  if (length === null || length === undefined) return { network: network ?? '', ip }
  const prefixLength = readPrefixLength(ip, address, length)
  return prefixLength === (isIpv6(ip) ? 128 : 32)
    ? { network: network ?? '', ip }
    : { network: network ?? '', ip, prefixLength }
}

export function writeNetworkAddress({ network, ip, prefixLength }: NetworkAddress): WireNetworkAddress {
  return { network, address: writeIp(ip), ...(prefixLength === undefined ? {} : { length: prefixLength }) }
}

export function readGateway(wire: WireGatewayAddress | null | undefined): GatewayAddress | undefined {
  if (!wire) return undefined
  const { hostname, address, hboneMtlsPort } = wire
  const port = hboneMtlsPort ?? 0
  if (hostname && address) throw invalid('a gateway address with two destinations')
  if (hostname)
    return {
      destination: {
        kind: 'hostname',
        namespace: hostname.namespace ?? '',
        hostname: hostname.hostname ?? '',
      },
      hboneMtlsPort: port,
    }
  if (address)
    return {
      destination: { kind: 'address', network: address.network ?? '', ip: readIp(address.address) },
      hboneMtlsPort: port,
    }
  throw invalid('a gateway address without a destination')
}

export function writeGateway(gateway: GatewayAddress): WireGatewayAddress {
  const { destination, hboneMtlsPort } = gateway
  return destination.kind === 'hostname'
    ? { hostname: { namespace: destination.namespace, hostname: destination.hostname }, hboneMtlsPort }
    : { address: { network: destination.network, address: writeIp(destination.ip) }, hboneMtlsPort }
}

export function readPort({ servicePort, targetPort, appProtocol }: WirePort): PortMapping {
  return {
    servicePort: servicePort ?? 0,
    targetPort: targetPort ?? 0,
    appProtocol: appProtocols.read(appProtocol),
  }
}

export function writePort({ servicePort, targetPort, appProtocol }: PortMapping): WirePort {
  return { servicePort, targetPort, appProtocol: appProtocols.write(appProtocol) }
}

export function readLoadBalancing(wire: WireLoadBalancing | null | undefined): LoadBalancing | undefined {
  if (!wire) return undefined
  const routingPreference = (wire.routingPreference ?? []).map((number) => {
    const scope = scopes[number]
    if (scope === undefined) throw invalid(`unknown routing preference ${number}`)
    return scope
  })
  return {
    routingPreference,
    mode: modes.read(wire.mode),
    healthPolicy: healthPolicies.read(wire.healthPolicy),
  }
}

export function writeLoadBalancing({
  routingPreference,
  mode,
  healthPolicy,
}: LoadBalancing): WireLoadBalancing {
  return {
    routingPreference: routingPreference.map((scope) => scopes.indexOf(scope)),
    mode: modes.write(mode),
    healthPolicy: healthPolicies.write(healthPolicy),
  }
}
