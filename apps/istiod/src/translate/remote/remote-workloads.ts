import type { Collection, Fetch } from '@ambient/collections'
import type { PortMapping, Workload } from '@ambient/model'
import type { ConfigState } from '../config/config-state.ts'
import { clusterIn, type MeshInputs, prefixOf } from '../mesh-inputs.ts'
import type { PlaceState } from '../places/place-state.ts'
import { type PodFacts, podFacts } from '../pods/pod-facts.ts'
import { translatePod } from '../pods/translate-pod.ts'
import type { PolicyState } from '../policies/policy-state.ts'
import { type Membership, membership } from '../services/membership.ts'
import { type SliceFacts, sliceFacts } from '../services/slice-facts.ts'
import { translateSlice } from '../services/translate-slice.ts'
import type { RemoteServices } from './remote-services.ts'

export interface RemoteWorkloadSources {
  readonly config: ConfigState
  readonly places: PlaceState
  readonly policies: PolicyState
  readonly services: RemoteServices
  /** Whether the Services of this name in other clusters count; named `namespace/hostname`. */
  readonly isMerged: (service: string, fetch: Fetch) => boolean
}

/** The workloads of the mesh's other clusters, on whatever network; under their UIDs. */
export function remoteWorkloads(inputs: MeshInputs, sources: RemoteWorkloadSources): Collection<Workload> {
  const { graph, remote } = inputs
  const { services } = sources
  const slices = graph.derive('remote endpoint slices', remote.EndpointSlice, sliceFacts)
  const members = membership({ services: services.facts, named: services.named, slices })
  return graph.union<Workload>('remote workloads', [
    podWorkloads(inputs, members, sources),
    sliceWorkloads(inputs, slices, sources),
  ])
}

function podWorkloads(
  { graph, mesh, remote }: MeshInputs,
  members: Membership,
  { config, places, policies, isMerged }: RemoteWorkloadSources,
): Collection<Workload> {
  const facts = graph.derive('remote pods', remote.Pod, podFacts)
  return graph.deriveMany<PodFacts, Workload>('remote pod workloads', facts, (pod, fetch, key) => {
    const prefix = prefixOf(key)
    if (!config.isDiscovered(pod.namespace, fetch, prefix)) return new Map()
    const services = Object.entries(members.ofPod(pod, fetch, prefix)).filter(([name]) =>
      isMerged(name, fetch),
    )
    const around = {
      network: places.network(fetch, prefix),
      networkGateway: undefined,
      locality: places.locality(pod.node, fetch, prefix),
      services: Object.fromEntries<readonly PortMapping[]>(services),
      policies: policies.attachedTo(pod, fetch),
      waypoint: undefined,
      applicationTunnel: undefined,
    }
    return byUid([translatePod(pod, around, { ...mesh, clusterId: clusterIn(prefix, mesh) })])
  })
}

function sliceWorkloads(
  { graph, mesh }: MeshInputs,
  slices: Collection<SliceFacts>,
  { places, services, isMerged }: RemoteWorkloadSources,
): Collection<Workload> {
  return graph.deriveMany<SliceFacts, Workload>('remote slice workloads', slices, (slice, fetch, key) => {
    const prefix = prefixOf(key)
    const { namespace, serviceName } = slice
    const service = services.named({ prefix, namespace, name: serviceName }, fetch)
    if (service === undefined || !isMerged(`${namespace}/${service.hostname}`, fetch)) return new Map()
    const network = places.network(fetch, prefix)
    return byUid(translateSlice(slice, service, { network }, { ...mesh, clusterId: clusterIn(prefix, mesh) }))
  })
}

function byUid(workloads: readonly (Workload | undefined)[]): ReadonlyMap<string, Workload> {
  return new Map(workloads.flatMap((each) => (each === undefined ? [] : [[each.uid, each] as const])))
}
