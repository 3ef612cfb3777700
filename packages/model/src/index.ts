export { type Address, addressName } from './address.ts'
export { canonicalIp, formatHostPort, ipFromBytes, ipToBytes, isIpv6, prefixMatches } from './ip-address.ts'
export { addressKey, type GatewayAddress, isAddressRange, type NetworkAddress } from './network-address.ts'
export {
  defineService,
  type HealthPolicy,
  type IpFamilies,
  isServiceName,
  type LoadBalancing,
  type LoadBalancingMode,
  type LoadBalancingScope,
  type Service,
  serviceName,
  type ServiceVisibility,
  type WeightedWaypoint,
} from './service.ts'
export {
  type ApplicationTunnel,
  type AppProtocol,
  defineWorkload,
  type Locality,
  type NetworkMode,
  type PortMapping,
  type TunnelProtocol,
  type Workload,
  type WorkloadStatus,
  type WorkloadType,
} from './workload.ts'
