import type { Field } from '@ambient/kube'
import {
  defineService,
  type LoadBalancing,
  type LoadBalancingScope,
  type PortMapping,
  type Service,
  type WeightedWaypoint,
} from '@ambient/model'
import {
  choiceOf,
  readCount,
  readGateway,
  readNetworkAddress,
  readNetworkRange,
  readPorts,
  requiredChoice,
  requiredList,
} from './local-fields.ts'

export interface LocalService {
  readonly service: Service
  /** Ports by the UID of the workload. */
  readonly endpoints: ReadonlyMap<string, readonly PortMapping[]>
}

const KEYS = [
  'name',
  'namespace',
  'hostname',
  'vips',
  'cidrVips',
  'ports',
  'endpoints',
  'subjectAltNames',
  'waypoint',
  'weightedWaypoints',
  'loadBalancer',
  'ipFamilies',
  'canonical',
  'visibility',
]

const MODE = {
  Standard: 'unspecified',
  Strict: 'strict',
  Failover: 'failover',
  Passthrough: 'passthrough',
} as const
const HEALTH = { OnlyHealthy: 'only-healthy', AllowAll: 'allow-all' } as const
const SCOPE: Readonly<Record<string, LoadBalancingScope>> = {
  Region: 'region',
  Zone: 'zone',
  Subzone: 'subzone',
  Node: 'node',
  Cluster: 'cluster',
  Network: 'network',
}
const FAMILIES = { Dual: 'dual', IPv4: 'ipv4-only', IPv6: 'ipv6-only' } as const
const VISIBILITY = { Public: 'public', Namespace: 'namespace' } as const

/** One of `services`. */
export function readLocalService(field: Field): LocalService {
  field.refuseOthers(KEYS)
  if (field.get('ports').isAbsent) throw field.get('ports').invalid('must be set')
  const waypoint = field.get('waypoint')
  const loadBalancer = field.get('loadBalancer')
  const service = defineService({
    name: field.get('name').requiredText(),
    namespace: field.get('namespace').requiredText(),
    hostname: field.get('hostname').requiredText(),
    addresses: [
      ...requiredList(field.get('vips')).map(readNetworkAddress),
      ...field.get('cidrVips').list().map(readNetworkRange),
    ],
    ports: readPorts(field.get('ports')),
    subjectAltNames: field.get('subjectAltNames').texts(),
    waypoint: waypoint.isAbsent ? undefined : readGateway(waypoint),
    weightedWaypoints: field.get('weightedWaypoints').list().map(readWeighted),
    loadBalancing: loadBalancer.isAbsent ? undefined : readLoadBalancer(loadBalancer),
    ipFamilies: choiceOf(field.get('ipFamilies'), FAMILIES) ?? 'automatic',
    canonical: field.get('canonical').boolean() ?? false,
    visibility: choiceOf(field.get('visibility'), VISIBILITY) ?? 'public',
  })
  return { service, endpoints: readEndpoints(field.get('endpoints'), service) }
}

function readWeighted(field: Field): WeightedWaypoint {
  field.refuseOthers(['destination', 'weight'])
  return { destination: readGateway(field.get('destination')), weight: readCount(field.get('weight')) ?? 0 }
}

function readLoadBalancer(field: Field): LoadBalancing {
  field.refuseOthers(['routingPreferences', 'mode', 'healthPolicy'])
  return {
    routingPreference: requiredList(field.get('routingPreferences')).map((each) =>
      requiredChoice(each, SCOPE),
    ),
    mode: requiredChoice(field.get('mode'), MODE),
    healthPolicy: requiredChoice(field.get('healthPolicy'), HEALTH),
  }
}

function readEndpoints(field: Field, service: Service): ReadonlyMap<string, readonly PortMapping[]> {
  const takesUnhealthy = service.loadBalancing?.healthPolicy === 'allow-all'
  const endpoints = new Map<string, readonly PortMapping[]>()
  for (const key of Object.keys(field.record())) {
    const endpoint = field.get(key)
    endpoint.refuseOthers(['workloadUid', 'port', 'status'])
    const status = choiceOf(endpoint.get('status'), { Healthy: 'healthy', Unhealthy: 'unhealthy' } as const)
    const ports = readPorts(endpoint.get('port'))
    if (status !== 'unhealthy' || takesUnhealthy)
      endpoints.set(endpoint.get('workloadUid').requiredText(), ports)
  }
  return endpoints
}
