import type { Fetch } from '@ambient/collections'
import type { KubeObject } from '@ambient/kube'
import type { Locality } from '@ambient/model'
import type { MeshInputs } from '../mesh-inputs.ts'
import { localityOf } from './node-locality.ts'

/** Where things are. */
export interface PlaceState {
  /**
   * The network of a cluster, ours unless a prefix says another; empty for the one network of a mesh that has only one.
   */
  network(fetch: Fetch, prefix?: string): string
  /**
   * Undefined when the node is unknown or does not say.
   *
   * @param prefix Of the node's cluster, when it is another than ours.
   */
  locality(node: string, fetch: Fetch, prefix?: string): Locality | undefined
}

const NETWORK = 'topology.istio.io/network'

export function placeState({ graph, mesh, of, remote }: MeshInputs): PlaceState {
  const networkIn = ({ metadata }: KubeObject): string | undefined =>
    metadata.name === mesh.systemNamespace ? metadata.labels[NETWORK] : undefined
  const networks = graph.union('networks', [
    graph.derive('own network', of('Namespace'), networkIn),
    graph.derive('remote networks', remote.Namespace, networkIn),
  ])
  const localities = graph.union<Locality>('localities', [
    graph.derive('own localities', of('Node'), localityOf),
    graph.derive('remote localities', remote.Node, localityOf),
  ])
  return {
    network: (fetch, prefix = '') => fetch.get(networks, `${prefix}${mesh.systemNamespace}`) ?? '',
    locality: (node, fetch, prefix = '') =>
      node === '' ? undefined : fetch.get(localities, `${prefix}${node}`),
  }
}
