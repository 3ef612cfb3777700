import type { XdsConnection } from '@ambient/xds'
import { readNode } from '../push/node-id.ts'

/** Of all clients, what each was sent and what it said to it; names are Istio's, which istioctl and Kiali read. */
export function syncStatus(
  connections: readonly XdsConnection[],
  own: { readonly clusterId: string; readonly namespace: string | undefined },
): readonly object[] {
  return sorted(connections)
    .filter(({ node }) => own.namespace === undefined || readNode(node)?.namespace === own.namespace)
    .map((connection) => {
      const { node, types } = connection
      const { type, proxy } = readNode(node) ?? { type: '', proxy: node.id }
      return {
        cluster_id: textOf(node.metadata['CLUSTER_ID']) ?? own.clusterId,
        proxy,
        proxy_type: type,
        istio_version: textOf(node.metadata['ISTIO_VERSION']),
        resources: Object.fromEntries(
          Object.entries(types).map(([typeUrl, { sent, acked, sentAtMs, lastError }]) => [
            typeUrl,
            { sent, acked, sentTime: new Date(sentAtMs).toISOString(), lastError },
          ]),
        ),
      }
    })
}

export function connectionList(connections: readonly XdsConnection[]): object {
  return {
    totalClients: connections.length,
    clients: sorted(connections).map(({ id, connectedAtMs, peer }) => ({
      connectionId: id,
      connectedAt: new Date(connectedAtMs).toISOString(),
      address: peer,
    })),
  }
}

/** Clients with what they say of themselves and what they watch. */
export function clientList(connections: readonly XdsConnection[]): object {
  return {
    totalClients: connections.length,
    clients: sorted(connections).map(({ id, connectedAtMs, peer, node, identity, types }) => ({
      connectionId: id,
      connectedAt: new Date(connectedAtMs).toISOString(),
      address: peer,
      identity,
      metadata: node.metadata,
      watches: Object.fromEntries(Object.entries(types).map(([typeUrl, { names }]) => [typeUrl, names])),
    })),
  }
}

function sorted(connections: readonly XdsConnection[]): readonly XdsConnection[] {
  return connections.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
