import { resourceKinds } from '@ambient/kube'
import type { MeshState } from '../translate/mesh-state.ts'

/** Our own cluster and the others; names are Istio's, which istioctl reads. */
export function clusterList(
  ownId: string,
  others: readonly { readonly id: string; readonly isSynced: boolean }[],
): readonly object[] {
  return [{ id: ownId, isSynced: true }, ...others].map(({ id, isSynced }) => ({
    id,
    syncStatus: isSynced ? 'synced' : 'syncing',
  }))
}

/** Gateways of networks, in the form of Istio's. */
export function gatewayList({ networkGateways }: Pick<MeshState, 'networkGateways'>): readonly object[] {
  return [...networkGateways.entries()]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { network, clusterId, address, hbonePort, namespace, serviceAccount }]) => ({
      Network: network,
      Cluster: clusterId,
      Addr: address,
      Port: 0, // of mutual TLS without HBONE, which node proxies do not speak
      HBONEPort: hbonePort,
      ServiceAccount: { Namespace: namespace, Name: serviceAccount },
    }))
}

/** The kinds of objects that are read. */
export function resourceList({ inputs }: Pick<MeshState, 'inputs'>): readonly object[] {
  return [...inputs.keys()].toSorted().map((kind) => {
    const { group, version } = resourceKinds[kind]
    return { group, version, kind }
  })
}
