import type { Collection, Fetch } from '@ambient/collections'
import type { KubeObject } from '@ambient/kube'
import type { Address, GatewayAddress } from '@ambient/model'
import { workloadsByName } from '../by-name.ts'
import { clusterIn, type MeshInputs, prefixOf } from '../mesh-inputs.ts'
import type { PlaceState } from '../places/place-state.ts'
import {
  gatewayId,
  gatewayReference,
  gatewayWorkload,
  type NetworkGateway,
  networkGateways,
} from './network-gateway.ts'

/** Other networks, and how they are reached. */
export interface NetworkState {
  /** The gateway of a network; of several the first, our own cluster's before others'. */
  gatewayOf(network: string, fetch: Fetch): NetworkGateway | undefined
  /**
   * Where a workload is that says its network, or says none and is in our own cluster; with what it is reached through,
   * if that is another network with a gateway.
   */
  placeOf(
    network: string,
    fetch: Fetch,
  ): { readonly network: string; readonly networkGateway: GatewayAddress | undefined }
  /** Every gateway that an object describes; two objects may describe the same. */
  readonly gateways: Collection<NetworkGateway>
  /** The gateways themselves. */
  readonly addresses: Collection<Address>
}

export function networkState(inputs: MeshInputs, places: PlaceState): NetworkState {
  const gateways = allGateways(inputs)
  const byNetwork = gateways.index(({ network }) => [network])
  const gatewayOf = (network: string, fetch: Fetch): NetworkGateway | undefined => {
    const found = fetch.find(byNetwork, network)
    return found.find(({ clusterId }) => clusterId === inputs.mesh.clusterId) ?? found[0]
  }
  return {
    gatewayOf,
    placeOf: (said, fetch) => {
      const own = places.network(fetch)
      const network = said === '' ? own : said
      const gateway = network === own ? undefined : gatewayOf(network, fetch)
      return { network, networkGateway: gateway === undefined ? undefined : gatewayReference(gateway) }
    },
    gateways,
    addresses: gatewayAddresses(inputs, gateways),
  }
}

function allGateways({ graph, mesh, of, remote }: MeshInputs): Collection<NetworkGateway> {
  const gatewaysIn = (isOurs: boolean) => (object: KubeObject, _fetch: Fetch, key: string) => {
    const prefix = prefixOf(key)
    const found = networkGateways(object, { id: clusterIn(prefix, mesh), isOurs })
    return new Map(found.map((gateway) => [`${prefix}${gatewayId(gateway)}`, gateway]))
  }
  return graph.union<NetworkGateway>('network gateways', [
    graph.deriveMany('own network gateways', of('Gateway'), gatewaysIn(true)),
    graph.deriveMany('remote network gateways', remote.Gateway, gatewaysIn(false)),
  ])
}

/** Two Gateways may describe the same one: the first of them counts. */
function gatewayAddresses(
  { graph, mesh }: MeshInputs,
  gateways: Collection<NetworkGateway>,
): Collection<Address> {
  const uidOf = (gateway: NetworkGateway): string => gatewayWorkload(gateway, mesh.trustDomain).uid
  const byUid = gateways.index((gateway) => [uidOf(gateway)])
  return graph.deriveMany<NetworkGateway, Address>('gateway workloads', gateways, (gateway, fetch) => {
    const [first] = fetch.find(byUid, uidOf(gateway))
    return workloadsByName(first === gateway ? [gatewayWorkload(gateway, mesh.trustDomain)] : [])
  })
}
