import type { XdsConnection } from '@ambient/xds'

/** One client in the shape that istioctl knows from `/debug/syncz`. */
export function synczEntry(connection: XdsConnection, clusterId: string): object {
  const { node, types, connectedAtMs, identity, peer } = connection
  return {
    proxy: proxyName(node.id),
    proxy_type: node.id.split('~')[0],
    cluster_id: clusterId,
    identity,
    address: peer,
    connected_at: new Date(connectedAtMs).toISOString(),
    resources: Object.fromEntries(
      Object.entries(types).map(([type, { sent, acked, lastError }]) => [
        type,
        { sent, acked, last_error: lastError ?? '' },
      ]),
    ),
  }
}

/** `<pod>.<namespace>` of a node id `<type>~<ip>~<pod>.<namespace>~<domain>`. */
function proxyName(node: string): string {
  return node.split('~')[2] ?? node
}
