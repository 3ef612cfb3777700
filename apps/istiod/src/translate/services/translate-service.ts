import { type KubeObject, readService, type ServicePort } from '@ambient/kube'
import {
  canonicalIp,
  defineService,
  type IpFamilies,
  type LoadBalancing,
  type PortMapping,
  type Service,
} from '@ambient/model'
import { invalidObject } from '../invalid-object.ts'
import type { MeshOptions } from '../mesh-options.ts'
import { appProtocolOf } from './app-protocol.ts'
import { preferredLoadBalancing, TRAFFIC_DISTRIBUTION } from './load-balancing.ts'
import { hostnameOf } from './service-facts.ts'

/** What a service takes from other objects. */
export interface ServiceSurroundings {
  readonly network: string
  /** From the annotation of its namespace. */
  readonly namespaceDistribution: string | undefined
  readonly waypoint: ServiceWaypoint
}

export type ServiceWaypoint = Pick<Service, 'waypoint' | 'weightedWaypoints' | 'ingressUseWaypoint'>

const ONLY_THIS_NODE = { routingPreference: ['node'], mode: 'strict' } as const

/** @returns undefined for an ExternalName: a DNS alias, which ztunnel passes through. @throws {KubeError} `OBJECT_INVALID` */
export function translateService(
  service: KubeObject,
  around: ServiceSurroundings,
  mesh: MeshOptions,
): Service | undefined {
  const facts = readService(service)
  if (facts.type === 'ExternalName') return undefined
  const { name, namespace = '', annotations } = service.metadata
  const wishes = {
    spec: facts.trafficDistribution,
    own: annotations[TRAFFIC_DISTRIBUTION],
    namespace: around.namespaceDistribution,
  }
  const healthPolicy = facts.publishNotReadyAddresses ? 'allow-all' : 'only-healthy'
  const loadBalancing: LoadBalancing | undefined = facts.isLocalTrafficOnly
    ? { ...ONLY_THIS_NODE, healthPolicy }
    : preferredLoadBalancing(wishes, healthPolicy)
  return defineService({
    name,
    namespace,
    hostname: hostnameOf(name, namespace, mesh.domainSuffix),
    addresses: facts.clusterIps.map((ip) => ({
      network: around.network,
      ip: canonicalIp(ip) ?? invalidObject(service, `spec.clusterIPs has "${ip}", which is no IP address`),
    })),
    ports: facts.ports.map(portMapping),
    loadBalancing,
    ipFamilies: ipFamilies(facts.ipFamilies),
    canonical: true,
    ...around.waypoint,
  })
}

function portMapping(port: ServicePort): PortMapping {
  const targetPort = typeof port.targetPort === 'number' ? port.targetPort : 0
  return { servicePort: port.port, targetPort, appProtocol: appProtocolOf(port) }
}

function ipFamilies(families: readonly string[]): IpFamilies {
  const hasV4 = families.includes('IPv4')
  const hasV6 = families.includes('IPv6')
  if (hasV4 && hasV6) return 'dual'
  return hasV4 ? 'ipv4-only' : hasV6 ? 'ipv6-only' : 'automatic'
}
