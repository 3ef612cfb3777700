import type { Collection, CollectionIndex, Fetch } from '@ambient/collections'
import { includesLabels, type KubeObject } from '@ambient/kube'
import { type Address, type PortMapping, serviceName } from '@ambient/model'
import { servicesByName, workloadsByName } from '../by-name.ts'
import { anchorOf, anchorsFor } from '../label-anchor.ts'
import type { ConfigState } from '../config/config-state.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { PlaceState } from '../places/place-state.ts'
import type { PodFacts } from '../pods/pod-facts.ts'
import { type ServiceFacts, serviceFacts } from './service-facts.ts'
import { selectedPorts, slicePorts } from './service-ports.ts'
import { type SliceFacts, sliceFacts } from './slice-facts.ts'
import { TRAFFIC_DISTRIBUTION, translateService } from './translate-service.ts'
import { translateSlice } from './translate-slice.ts'

/** Which workloads belong to which Service. */
export interface ServiceState {
  readonly facts: Collection<ServiceFacts>
  readonly slices: Collection<SliceFacts>
  /** Services of the pod's namespace that select it, and those without a selector whose slices name it. */
  ofPod(pod: PodFacts, fetch: Fetch): Readonly<Record<string, readonly PortMapping[]>>
}

type Membership = readonly [service: string, ports: readonly PortMapping[]]

export function serviceState({ graph, mesh, of }: MeshInputs, config: ConfigState): ServiceState {
  const facts = graph.derive('service facts', of('Service'), (service, fetch) =>
    config.isDiscovered(service.metadata.namespace ?? '', fetch)
      ? serviceFacts(service, mesh.domainSuffix)
      : undefined,
  )
  const bySelector = facts.index(({ namespace, selector }) =>
    selector === undefined ? [] : [anchorOf(namespace, selector)],
  )
  const slices = graph.derive('endpoint slices', of('EndpointSlice'), sliceFacts)
  const slicesByPod = slices.index((slice) => slice.pods.map((pod) => `${slice.namespace}/${pod.name}`))
  return {
    facts,
    slices,
    ofPod: (pod, fetch) =>
      Object.fromEntries(
        [...selecting(pod, fetch, bySelector), ...naming(pod, fetch, { facts, slicesByPod })].toSorted(
          ([a], [b]) => (a < b ? -1 : 1),
        ),
      ),
  }
}

/** The endpoints of hand-written slices that are no pods. */
export function sliceAddresses(
  { graph, mesh }: MeshInputs,
  services: ServiceState,
  places: PlaceState,
): Collection<Address> {
  return graph.deriveMany<SliceFacts, Address>('slice workloads', services.slices, (slice, fetch) => {
    if (slice.addresses.length === 0) return new Map()
    const service = fetch.get(services.facts, `${slice.namespace}/${slice.serviceName}`)
    if (service === undefined) return new Map()
    return workloadsByName(translateSlice(slice, service, { network: places.network(fetch) }, mesh))
  })
}

export function serviceAddresses(
  { graph, mesh, of }: MeshInputs,
  { places, config }: { readonly places: PlaceState; readonly config: ConfigState },
): Collection<Address> {
  const distributions = graph.derive(
    'traffic distributions',
    of('Namespace'),
    (namespace) => namespace.metadata.annotations[TRAFFIC_DISTRIBUTION],
  )
  return graph.deriveMany<KubeObject, Address>('services', of('Service'), (object, fetch) => {
    if (!config.isDiscovered(object.metadata.namespace ?? '', fetch)) return new Map()
    const around = {
      network: places.network(fetch),
      namespaceDistribution: fetch.get(distributions, object.metadata.namespace ?? ''),
    }
    const service = translateService(object, around, mesh)
    return servicesByName(service === undefined ? [] : [service])
  })
}

function selecting(
  pod: PodFacts,
  fetch: Fetch,
  bySelector: CollectionIndex<ServiceFacts>,
): readonly Membership[] {
  const selects = ({ selector }: ServiceFacts): boolean =>
    selector !== undefined && includesLabels(pod.labels, selector)
  return anchorsFor(pod.namespace, pod.labels)
    .flatMap((group) => fetch.find(bySelector, group, selects))
    .map((service) => [serviceName(service), selectedPorts(service, pod)])
}

function naming(
  pod: PodFacts,
  fetch: Fetch,
  {
    facts,
    slicesByPod,
  }: { readonly facts: Collection<ServiceFacts>; readonly slicesByPod: CollectionIndex<SliceFacts> },
): readonly Membership[] {
  const slices = fetch.find(slicesByPod, `${pod.namespace}/${pod.name}`, (each) => names(each, pod))
  return slices.flatMap((slice): readonly Membership[] => {
    const service = fetch.get(facts, `${slice.namespace}/${slice.serviceName}`)
    if (service === undefined || service.selector !== undefined) return []
    return [[serviceName(service), slicePorts(service, slice)]]
  })
}

/** A slice means one incarnation of a pod: its next one of the same name may be something else. */
function names(slice: SliceFacts, pod: PodFacts): boolean {
  return slice.pods.some((ref) => ref.name === pod.name && (ref.uid === undefined || ref.uid === pod.uid))
}
