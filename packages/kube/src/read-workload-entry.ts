import { canonicalIp } from '@ambient/model'
import type { Field } from './field.ts'
import { fieldsOf } from './kube-object.ts'
import type { KubeObject } from './kube-object.ts'
import { isHostName } from './read-address.ts'
import { readPort } from './read-pod.ts'

/** How an endpoint outside the cluster is reached. */
export type EndpointAddress =
  | { readonly kind: 'ip'; readonly ip: string }
  | { readonly kind: 'host'; readonly host: string }
  /** A Unix socket on the caller's own node. */
  | { readonly kind: 'unix'; readonly path: string }
  /** Only through the gateway of its network. */
  | { readonly kind: 'none' }

/** The parts of a WorkloadEntry, or of an endpoint inside a ServiceEntry, that this mesh looks at. */
export interface WorkloadEntryFacts {
  readonly address: EndpointAddress
  /** By the name of a service's port. */
  readonly ports: Readonly<Record<string, number>>
  readonly labels: Readonly<Record<string, string>>
  /** Empty means the network of the cluster. */
  readonly network: string
  /** `region/zone/subzone`, or less of it. */
  readonly locality: string
  /** 0 when it is not given. */
  readonly weight: number
  readonly serviceAccount: string
}

/** @throws {KubeError} `OBJECT_INVALID` naming entry and field. */
export function readWorkloadEntry(entry: KubeObject): WorkloadEntryFacts {
  const facts = readEndpoint(fieldsOf(entry).get('spec'))
  return { ...facts, labels: { ...facts.labels, ...entry.metadata.labels } } // the object's own win, as in Istio
}

/** @throws {KubeError} `OBJECT_INVALID` */
export function readEndpoint(field: Field): WorkloadEntryFacts {
  const network = field.get('network').text() ?? ''
  const ports = field.get('ports')
  const weight = field.get('weight')
  if ((weight.integer() ?? 0) < 0) throw weight.invalid('must not be negative')
  return {
    address: readEndpointAddress(field.get('address'), network),
    ports: Object.fromEntries(Object.keys(ports.record()).map((name) => [name, readPort(ports.get(name))])),
    labels: field.get('labels').textMap(),
    network,
    locality: field.get('locality').text() ?? '',
    weight: weight.integer() ?? 0,
    serviceAccount: field.get('serviceAccount').text() ?? '',
  }
}

function readEndpointAddress(field: Field, network: string): EndpointAddress {
  const text = field.text() ?? ''
  if (text === '') {
    if (network === '') throw field.invalid('must be set unless network is')
    return { kind: 'none' }
  }
  if (text.startsWith('unix://')) return { kind: 'unix', path: text.slice('unix://'.length) }
  const ip = canonicalIp(text)
  if (ip !== undefined) return { kind: 'ip', ip }
  if (!isHostName(text)) throw field.invalid('is neither an IP address nor a host name')
  return { kind: 'host', host: text }
}
