import type { Collection, Fetch } from '@ambient/collections'
import type { Locality } from '@ambient/model'
import type { MeshInputs } from '../mesh-inputs.ts'
import { localityOf } from './node-locality.ts'

/** Where things are. */
export interface PlaceState {
  /** The network of this cluster; empty when the mesh has only one. */
  network(fetch: Fetch): string
  /** Undefined when the node is unknown or does not say. */
  locality(node: string, fetch: Fetch): Locality | undefined
}

export function placeState({ graph, mesh, of }: MeshInputs): PlaceState {
  const networks: Collection<string> = graph.derive('networks', of('Namespace'), (namespace) =>
    namespace.metadata.name === mesh.systemNamespace
      ? namespace.metadata.labels['topology.istio.io/network']
      : undefined,
  )
  const localities = graph.derive('localities', of('Node'), localityOf)
  return {
    network: (fetch) => fetch.get(networks, mesh.systemNamespace) ?? '',
    locality: (node, fetch) => (node === '' ? undefined : fetch.get<Locality>(localities, node)),
  }
}
