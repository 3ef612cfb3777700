import {
  type KubeObject,
  readService,
  type ServiceFacts as KubeServiceFacts,
  type ServicePort,
} from '@ambient/kube'
import {
  type AppProtocol,
  canonicalIp,
  defineService,
  type IpFamilies,
  type LoadBalancing,
  type LoadBalancingScope,
  type PortMapping,
  type Service,
} from '@ambient/model'
import { invalidObject } from '../invalid-object.ts'
import type { MeshOptions } from '../mesh-options.ts'
import { hostnameOf } from './service-facts.ts'

export interface ServiceSurroundings {
  readonly network: string
  /** From the annotation of the Service's namespace. */
  readonly namespaceDistribution: string | undefined
}

export const TRAFFIC_DISTRIBUTION = 'networking.istio.io/traffic-distribution'

const ZONE_FIRST: readonly LoadBalancingScope[] = ['network', 'region', 'zone']
const NODE_FIRST: readonly LoadBalancingScope[] = [...ZONE_FIRST, 'subzone', 'node']

/** @returns undefined for an ExternalName: a DNS alias, which ztunnel passes through. @throws {KubeError} `OBJECT_INVALID` */
export function translateService(
  service: KubeObject,
  around: ServiceSurroundings,
  mesh: MeshOptions,
): Service | undefined {
  const facts = readService(service)
  if (facts.type === 'ExternalName') return undefined
  const { name, namespace = '' } = service.metadata
  return defineService({
    name,
    namespace,
    hostname: hostnameOf(name, namespace, mesh.domainSuffix),
    addresses: facts.clusterIps.map((ip) => ({
      network: around.network,
      ip: canonicalIp(ip) ?? invalidObject(service, `spec.clusterIPs has "${ip}", which is no IP address`),
    })),
    ports: facts.ports.map(portMapping),
    loadBalancing: loadBalancing(
      facts,
      service.metadata.annotations[TRAFFIC_DISTRIBUTION] ?? around.namespaceDistribution,
    ),
    ipFamilies: ipFamilies(facts.ipFamilies),
    canonical: true,
  })
}

function portMapping(port: ServicePort): PortMapping {
  const targetPort = typeof port.targetPort === 'number' ? port.targetPort : 0
  return { servicePort: port.port, targetPort, appProtocol: appProtocol(port) }
}

/** `appProtocol` if it is known, else the first part of the port's name. */
function appProtocol({ appProtocol: given, name }: ServicePort): AppProtocol {
  return protocolNamed(given) ?? protocolNamed(name?.split('-')[0]) ?? 'unknown'
}

function protocolNamed(text: string | undefined): AppProtocol | undefined {
  switch (text?.toLowerCase().replace(/^kubernetes\.io\//, '') ?? '') {
    case 'http':
      return 'http11'
    case 'http2':
    case 'h2c':
      return 'http2'
    case 'grpc':
      return 'grpc'
    case 'tls':
    case 'https':
      return 'tls'
    case 'tcp':
      return 'tcp'
    default:
      return undefined
  }
}

function loadBalancing(facts: KubeServiceFacts, annotated: string | undefined): LoadBalancing | undefined {
  const healthPolicy = facts.publishNotReadyAddresses ? 'allow-all' : 'only-healthy'
  if (facts.isLocalTrafficOnly) return { routingPreference: ['node'], mode: 'strict', healthPolicy }
  switch (facts.trafficDistribution ?? annotated ?? '') {
    case 'PreferClose':
    case 'PreferSameZone':
      return { routingPreference: ZONE_FIRST, mode: 'failover', healthPolicy }
    case 'PreferSameNode':
      return { routingPreference: NODE_FIRST, mode: 'failover', healthPolicy }
    default:
      return facts.publishNotReadyAddresses
        ? { routingPreference: [], mode: 'unspecified', healthPolicy }
        : undefined
  }
}

function ipFamilies(families: readonly string[]): IpFamilies {
  const hasV4 = families.includes('IPv4')
  const hasV6 = families.includes('IPv6')
  if (hasV4 && hasV6) return 'dual'
  return hasV4 ? 'ipv4-only' : hasV6 ? 'ipv6-only' : 'automatic'
}
