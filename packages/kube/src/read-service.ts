import type { Field } from './field.ts'
import { fieldsOf } from './kube-object.ts'
import type { KubeObject } from './kube-object.ts'
import { readPort } from './read-pod.ts'

export interface ServicePort {
  readonly name: string | undefined
  readonly port: number
  /** A number, or the name of a container port that each pod resolves for itself. */
  readonly targetPort: number | string
  readonly protocol: string
  readonly appProtocol: string | undefined
}

/** The parts of a Service this mesh looks at. */
export interface ServiceFacts {
  readonly type: string
  /** Undefined when the Service selects nothing and its endpoints are written by hand. */
  readonly selector: Readonly<Record<string, string>> | undefined
  /** Empty for a headless Service. */
  readonly clusterIps: readonly string[]
  readonly ports: readonly ServicePort[]
  readonly ipFamilies: readonly string[]
  readonly trafficDistribution: string | undefined
  readonly isLocalTrafficOnly: boolean
  readonly publishNotReadyAddresses: boolean
}

/** @throws {KubeError} `OBJECT_INVALID` naming service and field. */
export function readService(service: KubeObject): ServiceFacts {
  const spec = fieldsOf(service).get('spec')
  const selector = spec.get('selector').textMap()
  return {
    type: spec.get('type').text() ?? 'ClusterIP',
    selector: Object.keys(selector).length === 0 ? undefined : selector,
    clusterIps: readClusterIps(spec),
    ports: spec.get('ports').list().map(readServicePort),
    ipFamilies: spec.get('ipFamilies').texts(),
    trafficDistribution: spec.get('trafficDistribution').text(),
    isLocalTrafficOnly: spec.get('internalTrafficPolicy').text() === 'Local',
    publishNotReadyAddresses: spec.get('publishNotReadyAddresses').boolean() ?? false,
  }
}

function readClusterIps(spec: Field): readonly string[] {
  const listed = spec.get('clusterIPs').texts()
  const first = spec.get('clusterIP').text()
  const all = listed.length === 0 && first !== undefined ? [first] : listed
  return all.filter((ip) => ip !== '' && ip !== 'None')
}

function readServicePort(field: Field): ServicePort {
  const port = readPort(field.get('port'))
  return {
    name: field.get('name').text(),
    port,
    targetPort: readTargetPort(field.get('targetPort')) ?? port,
    protocol: field.get('protocol').text() ?? 'TCP',
    appProtocol: field.get('appProtocol').text(),
  }
}

function readTargetPort(field: Field): number | string | undefined {
  if (typeof field.value !== 'number') return field.text()
  return field.value === 0 ? undefined : readPort(field)
}
