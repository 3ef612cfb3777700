import type { GatewayAddress, NetworkAddress } from './network-address.ts'
import type { PortMapping } from './workload.ts'

export type LoadBalancingScope = 'region' | 'zone' | 'subzone' | 'node' | 'cluster' | 'network'
export type LoadBalancingMode = 'unspecified' | 'strict' | 'failover' | 'passthrough'
export type HealthPolicy = 'only-healthy' | 'allow-all'
export type IpFamilies = 'automatic' | 'ipv4-only' | 'ipv6-only' | 'dual'
export type ServiceVisibility = 'public' | 'namespace'

export interface LoadBalancing {
  /** Most important first. */
  readonly routingPreference: readonly LoadBalancingScope[]
  readonly mode: LoadBalancingMode
  readonly healthPolicy: HealthPolicy
}

export interface WeightedWaypoint {
  readonly destination: GatewayAddress
  readonly weight: number
}

/** A name with ports and virtual IPs; its endpoints are the workloads that name it. */
export interface Service {
  readonly name: string
  readonly namespace: string
  readonly hostname: string
  readonly addresses: readonly NetworkAddress[]
  readonly ports: readonly PortMapping[]
  /** SPIFFE IDs accepted besides the endpoint's own. */
  readonly subjectAltNames: readonly string[]
  readonly waypoint: GatewayAddress | undefined
  readonly weightedWaypoints: readonly WeightedWaypoint[]
  readonly loadBalancing: LoadBalancing | undefined
  readonly ipFamilies: IpFamilies
  /** True for a Kubernetes Service: it wins a tie over other services of the same name or VIP. */
  readonly canonical: boolean
  readonly ingressUseWaypoint: boolean
  readonly visibility: ServiceVisibility
}

/** The resource name and key of a service: `namespace/hostname`. */
export function serviceName(service: Pick<Service, 'namespace' | 'hostname'>): string {
  return `${service.namespace}/${service.hostname}`
}

/** Whether a resource name is a service's and not a workload's: UIDs have no slash or more than one. */
export function isServiceName(name: string): boolean {
  const slash = name.indexOf('/')
  return slash !== -1 && name.indexOf('/', slash + 1) === -1
}

/** A whole service from what is known of it; everything left out gets the wire's default. */
export function defineService(
  known: Pick<Service, 'name' | 'namespace' | 'hostname'> & Partial<Service>,
): Service {
  return {
    addresses: [],
    ports: [],
    subjectAltNames: [],
    waypoint: undefined,
    weightedWaypoints: [],
    loadBalancing: undefined,
    ipFamilies: 'automatic',
    canonical: false,
    ingressUseWaypoint: false,
    visibility: 'public',
    ...known,
  }
}
