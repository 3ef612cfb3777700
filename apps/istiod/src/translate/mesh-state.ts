import {
  type Collection,
  CollectionGraph,
  type CollectionIndex,
  type Fault,
  type Fetch,
  type InputCollection,
} from '@ambient/collections'
import type { KindName, KubeObject } from '@ambient/kube'
import { type Address, addressName, type Locality, type PortMapping } from '@ambient/model'
import type { AuthorizationPolicy } from '@ambient/policy'
import { anchorOf, anchorsFor } from './label-anchor.ts'
import type { MeshOptions } from './mesh-options.ts'
import { localityOf } from './node-locality.ts'
import { type PodFacts, podFacts } from './pod-facts.ts'
import type { ConvertedPolicy } from './policies/convert-authorization-policy.ts'
import { type PolicyState, policyState } from './policies/policy-state.ts'
import { type ServiceFacts, serviceFacts } from './service-facts.ts'
import { selectedPorts, slicePorts } from './service-ports.ts'
import { type SliceFacts, sliceFacts } from './slice-facts.ts'
import { translatePod } from './translate-pod.ts'
import { TRAFFIC_DISTRIBUTION, translateService } from './translate-service.ts'
import { translateSlice } from './translate-slice.ts'

/** Kinds of objects that istiod reads. */
export const watchedKinds: readonly KindName[] = [
  'Namespace',
  'Node',
  'ServiceAccount',
  'Service',
  'EndpointSlice',
  'AuthorizationPolicy',
  'PeerAuthentication',
  'Pod',
]

/** Everything istiod knows, and what follows from it; objects go in, resources come out. */
export interface MeshState {
  readonly graph: CollectionGraph
  /** Objects by kind, each under `namespace/name` or `name`. */
  readonly inputs: ReadonlyMap<KindName, InputCollection<KubeObject>>
  readonly pods: Collection<PodFacts>
  /** Pods that are not over, under `namespace/serviceAccount@node`. */
  readonly podsByAccountAndNode: CollectionIndex<PodFacts>
  /** Under the names they have on the wire. */
  readonly addresses: Collection<Address>
  /** Under `namespace/name`. */
  readonly policies: Collection<AuthorizationPolicy>
  /** What became of each AuthorizationPolicy object, under `namespace/name`. */
  readonly converted: Collection<ConvertedPolicy>
}

interface Parts {
  readonly graph: CollectionGraph
  readonly mesh: MeshOptions
  readonly input: (kind: KindName) => InputCollection<KubeObject>
  readonly networks: Collection<string>
  readonly services: ServiceParts
}

interface ServiceParts {
  readonly facts: Collection<ServiceFacts>
  readonly bySelector: CollectionIndex<ServiceFacts>
  readonly slices: Collection<SliceFacts>
  readonly slicesByPod: CollectionIndex<SliceFacts>
}

/** @param onFault Told of each object that cannot be used; see `CollectionGraph` for what stays in force. */
export function meshState(mesh: MeshOptions, onFault: (fault: Fault) => void): MeshState {
  const graph = new CollectionGraph(onFault)
  const inputs = new Map(
    watchedKinds.map((kind) => [kind, graph.input<KubeObject>(kind, { equal: isSameVersion })]),
  )
  const input = (kind: KindName): InputCollection<KubeObject> => {
    const found = inputs.get(kind)
    if (found === undefined) throw new Error(`${kind} is not among the watched kinds`)
    return found
  }
  const networks = graph.derive('networks', input('Namespace'), (namespace) =>
    namespace.metadata.name === mesh.rootNamespace
      ? namespace.metadata.labels['topology.istio.io/network']
      : undefined,
  )
  const parts: Parts = { graph, mesh, input, networks, services: serviceParts(graph, input, mesh) }
  const pods = graph.derive('pods', input('Pod'), podFacts)
  const podsByAccountAndNode = pods.index((pod) =>
    pod.node === '' || pod.phase === 'Failed' ? [] : [accountAndNode(pod)],
  )
  const policies = policyState(graph, input('AuthorizationPolicy'), input('PeerAuthentication'), mesh)
  const addresses = graph.union<Address>('addresses', [
    podAddresses(parts, pods, policies),
    sliceAddresses(parts),
    serviceAddresses(parts),
  ])
  return {
    graph,
    inputs,
    pods,
    podsByAccountAndNode,
    addresses,
    policies: policies.all,
    converted: policies.converted,
  }
}

export function accountAndNode(of: Pick<PodFacts, 'namespace' | 'serviceAccount' | 'node'>): string {
  return `${of.namespace}/${of.serviceAccount}@${of.node}`
}

function serviceParts(graph: CollectionGraph, input: Parts['input'], mesh: MeshOptions): ServiceParts {
  const facts = graph.derive('service facts', input('Service'), (service) =>
    serviceFacts(service, mesh.domainSuffix),
  )
  const slices = graph.derive('endpoint slices', input('EndpointSlice'), sliceFacts)
  return {
    facts,
    bySelector: facts.index(({ namespace, selector }) =>
      selector === undefined ? [] : [anchorOf(namespace, selector)],
    ),
    slices,
    slicesByPod: slices.index((slice) => slice.pods.map((pod) => `${slice.namespace}/${pod.name}`)),
  }
}

function podAddresses(parts: Parts, pods: Collection<PodFacts>, policies: PolicyState): Collection<Address> {
  const { graph, mesh, input } = parts
  const localities = graph.derive('localities', input('Node'), localityOf)
  return graph.deriveMany<PodFacts, Address>('pod workloads', pods, (pod, fetch) => {
    const workload = translatePod(
      pod,
      {
        network: fetch.get(parts.networks, mesh.rootNamespace) ?? '',
        locality: pod.node === '' ? undefined : fetch.get<Locality>(localities, pod.node),
        services: podServices(pod, fetch, parts.services),
        policies: policies.attachedTo(pod, fetch),
      },
      mesh,
    )
    return byName(workload === undefined ? [] : [{ kind: 'workload', workload }])
  })
}

/** Services of the pod's namespace that select it, and those without a selector whose slices name it. */
function podServices(
  pod: PodFacts,
  fetch: Fetch,
  { facts, bySelector, slicesByPod }: ServiceParts,
): Readonly<Record<string, readonly PortMapping[]>> {
  const found: [string, readonly PortMapping[]][] = []
  for (const group of anchorsFor(pod.namespace, pod.labels)) {
    for (const service of fetch.find(bySelector, group, (each) => isSelectedBy(each, pod))) {
      found.push([`${service.namespace}/${service.hostname}`, selectedPorts(service, pod)])
    }
  }
  for (const slice of fetch.find(slicesByPod, `${pod.namespace}/${pod.name}`, (each) => names(each, pod))) {
    const service = fetch.get(facts, `${slice.namespace}/${slice.serviceName}`)
    if (service === undefined || service.selector !== undefined) continue
    found.push([`${service.namespace}/${service.hostname}`, slicePorts(service, slice)])
  }
  return Object.fromEntries(found.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function isSelectedBy({ selector }: ServiceFacts, pod: PodFacts): boolean {
  return (
    selector !== undefined && Object.entries(selector).every(([name, value]) => pod.labels[name] === value)
  )
}

/** A slice means one incarnation of a pod: its next one of the same name may be something else. */
function names(slice: SliceFacts, pod: PodFacts): boolean {
  return slice.pods.some((ref) => ref.name === pod.name && (ref.uid === undefined || ref.uid === pod.uid))
}

function sliceAddresses({ graph, mesh, networks, services }: Parts): Collection<Address> {
  return graph.deriveMany<SliceFacts, Address>('slice workloads', services.slices, (slice, fetch) => {
    if (slice.addresses.length === 0) return new Map()
    const service = fetch.get(services.facts, `${slice.namespace}/${slice.serviceName}`)
    if (service === undefined) return new Map()
    const around = { network: fetch.get(networks, mesh.rootNamespace) ?? '' }
    return byName(
      translateSlice(slice, service, around, mesh).map((workload) => ({ kind: 'workload', workload })),
    )
  })
}

function serviceAddresses({ graph, mesh, input, networks }: Parts): Collection<Address> {
  const distributions = graph.derive(
    'traffic distributions',
    input('Namespace'),
    (namespace) => namespace.metadata.annotations[TRAFFIC_DISTRIBUTION],
  )
  return graph.deriveMany<KubeObject, Address>('services', input('Service'), (object, fetch) => {
    const network = fetch.get(networks, mesh.rootNamespace) ?? ''
    const namespaceDistribution = fetch.get(distributions, object.metadata.namespace ?? '')
    const service = translateService(object, { network, namespaceDistribution }, mesh)
    return byName(service === undefined ? [] : [{ kind: 'service', service }])
  })
}

function byName(addresses: readonly Address[]): ReadonlyMap<string, Address> {
  return new Map(addresses.map((address) => [addressName(address), address]))
}

function isSameVersion(a: KubeObject, b: KubeObject): boolean {
  return a.metadata.uid === b.metadata.uid && a.metadata.resourceVersion === b.metadata.resourceVersion
}
