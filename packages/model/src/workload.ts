import type { GatewayAddress } from './network-address.ts'

export type TunnelProtocol = 'none' | 'hbone'
export type WorkloadStatus = 'healthy' | 'unhealthy'
export type WorkloadType = 'deployment' | 'cronjob' | 'pod' | 'job'
export type NetworkMode = 'standard' | 'host-network'
export type AppProtocol = 'unknown' | 'http11' | 'http2' | 'grpc' | 'tcp' | 'tls'

export interface Locality {
  readonly region: string
  readonly zone: string
  readonly subzone: string
}

export interface PortMapping {
  readonly servicePort: number
  /** 0 when the service names the port; the endpoint's own mapping then says the number. */
  readonly targetPort: number
  readonly appProtocol: AppProtocol
}

/** How the last step to the app inside the pod is made, when it is not a plain connection. */
export interface ApplicationTunnel {
  readonly protocol: 'none' | 'proxy'
  /** 0 keeps the port of the request. */
  readonly port: number
}

/** A pod or VM with an identity and addresses, as the control plane describes it; defaults are already applied. */
export interface Workload {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  /** Canonical text; empty for a workload behind a network gateway or one named by `hostname`. */
  readonly addresses: readonly string[]
  readonly network: string
  readonly tunnelProtocol: TunnelProtocol
  readonly trustDomain: string
  readonly serviceAccount: string
  readonly waypoint: GatewayAddress | undefined
  readonly networkGateway: GatewayAddress | undefined
  readonly node: string
  readonly canonicalName: string
  readonly canonicalRevision: string
  readonly workloadType: WorkloadType
  readonly workloadName: string
  /** Speaks HBONE itself, so its node proxy must not. */
  readonly nativeTunnel: boolean
  /** Names `ns/name` of the policies that select this workload. */
  readonly authorizationPolicies: readonly string[]
  readonly status: WorkloadStatus
  readonly clusterId: string
  readonly hostname: string
  /** Membership: `ns/hostname` of the service, and this endpoint's own port numbers. */
  readonly services: Readonly<Record<string, readonly PortMapping[]>>
  readonly applicationTunnel: ApplicationTunnel | undefined
  readonly locality: Locality
  readonly networkMode: NetworkMode
  /** Weight in load balancing; 0 is never picked while others have weight. */
  readonly capacity: number
}

const NOWHERE: Locality = { region: '', zone: '', subzone: '' }

/** A whole workload from what is known of it; everything left out gets the wire's default. */
export function defineWorkload(
  known: Pick<Workload, 'uid' | 'name' | 'namespace'> & Partial<Workload>,
): Workload {
  return {
    addresses: [],
    network: '',
    tunnelProtocol: 'none',
    trustDomain: 'cluster.local',
    serviceAccount: 'default',
    waypoint: undefined,
    networkGateway: undefined,
    node: '',
    canonicalName: '',
    canonicalRevision: '',
    workloadType: 'deployment',
    workloadName: '',
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'healthy',
    clusterId: 'Kubernetes',
    hostname: '',
    services: {},
    applicationTunnel: undefined,
    locality: NOWHERE,
    networkMode: 'standard',
    capacity: 1,
    ...known,
  }
}
