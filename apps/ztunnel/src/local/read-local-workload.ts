import type { Field } from '@ambient/kube'
import {
  type ApplicationTunnel,
  defineWorkload,
  type Locality,
  type PortMapping,
  type Workload,
} from '@ambient/model'
import {
  choiceOf,
  readCount,
  readGateway,
  readIp,
  readPorts,
  requiredChoice,
  requiredList,
} from './local-fields.ts'

const KEYS = [
  'workloadIps',
  'namespace',
  'uid',
  'name',
  'trustDomain',
  'serviceAccount',
  'network',
  'workloadName',
  'workloadType',
  'canonicalName',
  'canonicalRevision',
  'hostname',
  'node',
  'clusterId',
  'protocol',
  'networkMode',
  'waypoint',
  'networkGateway',
  'nativeTunnel',
  'applicationTunnel',
  'authorizationPolicies',
  'status',
  'locality',
  'capacity',
  'services',
]

const PROTOCOL = { TCP: 'none', HBONE: 'hbone' } as const
const NETWORK_MODE = { Standard: 'standard', HostNetwork: 'host-network' } as const
const STATUS = { Healthy: 'healthy', Unhealthy: 'unhealthy' } as const
const TYPE = { deployment: 'deployment', cronjob: 'cronjob', pod: 'pod', job: 'job' } as const

/**
 * One of `workloads`. What an identity cannot do without has the wire's defaults, where upstream leaves it empty; a UID
 * that is not given is made of the name.
 */
export function readLocalWorkload(field: Field): Workload {
  field.refuseOthers(KEYS)
  const namespace = field.get('namespace').requiredText()
  const name = field.get('name').text() ?? ''
  const clusterId = textOr(field, 'clusterId', 'Kubernetes')
  return defineWorkload({
    uid: textOr(field, 'uid', `${clusterId}//Pod/${namespace}/${name}`),
    name,
    namespace,
    clusterId,
    addresses: requiredList(field.get('workloadIps')).map(readIp),
    trustDomain: textOr(field, 'trustDomain', 'cluster.local'),
    serviceAccount: textOr(field, 'serviceAccount', 'default'),
    network: textOr(field, 'network', ''),
    workloadName: textOr(field, 'workloadName', ''),
    workloadType: choiceOf(field.get('workloadType'), TYPE) ?? 'deployment',
    canonicalName: textOr(field, 'canonicalName', ''),
    canonicalRevision: textOr(field, 'canonicalRevision', ''),
    hostname: textOr(field, 'hostname', ''),
    node: textOr(field, 'node', ''),
    ...readRouting(field),
    services: readServices(field.get('services')),
  })
}

function readRouting(field: Field): Partial<Workload> {
  const optional = <T>(key: string, read: (value: Field) => T): T | undefined =>
    field.get(key).isAbsent ? undefined : read(field.get(key))
  return {
    tunnelProtocol: choiceOf(field.get('protocol'), PROTOCOL) ?? 'none',
    networkMode: choiceOf(field.get('networkMode'), NETWORK_MODE) ?? 'standard',
    status: choiceOf(field.get('status'), STATUS) ?? 'healthy',
    nativeTunnel: field.get('nativeTunnel').boolean() ?? false,
    waypoint: optional('waypoint', readGateway),
    networkGateway: optional('networkGateway', readGateway),
    applicationTunnel: optional('applicationTunnel', readTunnel),
    authorizationPolicies: field.get('authorizationPolicies').texts(),
    locality: readLocality(field.get('locality')),
    capacity: readCount(field.get('capacity')) ?? 1,
  }
}

function readTunnel(field: Field): ApplicationTunnel {
  field.refuseOthers(['protocol', 'port'])
  const protocol = requiredChoice(field.get('protocol'), { NONE: 'none', PROXY: 'proxy' } as const)
  return { protocol, port: readCount(field.get('port')) ?? 0 }
}

function readLocality(field: Field): Locality {
  field.refuseOthers(['region', 'zone', 'subzone'])
  return {
    region: textOr(field, 'region', ''),
    zone: textOr(field, 'zone', ''),
    subzone: textOr(field, 'subzone', ''),
  }
}

function readServices(field: Field): Readonly<Record<string, readonly PortMapping[]>> {
  return Object.fromEntries(
    Object.keys(field.record()).map((name) => {
      if (!name.includes('/')) throw field.invalid(`has a key that is not NAMESPACE/HOSTNAME, "${name}"`)
      return [name, readPorts(field.get(name))]
    }),
  )
}

function textOr(field: Field, key: string, fallback: string): string {
  const text = field.get(key).text() ?? ''
  return text === '' ? fallback : text
}
