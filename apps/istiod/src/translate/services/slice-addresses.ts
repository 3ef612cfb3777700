import type { Collection } from '@ambient/collections'
import type { Address } from '@ambient/model'
import { workloadsByName } from '../by-name.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { PlaceState } from '../places/place-state.ts'
import type { KubeServices } from './kube-services.ts'
import type { SliceFacts } from './slice-facts.ts'
import { translateSlice } from './translate-slice.ts'

/** The endpoints of hand-written slices that are no pods. */
export function sliceAddresses(
  { graph, mesh }: MeshInputs,
  slices: Collection<SliceFacts>,
  { kubeServices, places }: { readonly kubeServices: KubeServices; readonly places: PlaceState },
): Collection<Address> {
  return graph.deriveMany<SliceFacts, Address>('slice workloads', slices, (slice, fetch) => {
    if (slice.addresses.length === 0) return new Map()
    const service = kubeServices.named(slice.namespace, slice.serviceName, fetch)
    if (service === undefined) return new Map()
    return workloadsByName(translateSlice(slice, service, { network: places.network(fetch) }, mesh))
  })
}
