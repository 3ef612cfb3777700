import { join } from 'node:path'

/** Debian's bridge, as the network of a node. */
export function bridgeNetwork(directory: string): object {
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, ipam: hostLocal(directory) }
  return { cniVersion: '1.0.0', name: 'test', plugins: [bridge] }
}

/** Debian's ptp, as the network of a node. */
export function ptpNetwork(directory: string): object {
  return { cniVersion: '1.0.0', name: 'test', plugins: [{ type: 'ptp', ipam: hostLocal(directory) }] }
}

function hostLocal(directory: string): object {
  return {
    type: 'host-local',
    dataDir: join(directory, 'ipam'),
    ranges: [[{ subnet: '10.77.0.0/24' }]],
    routes: [{ dst: '0.0.0.0/0' }],
  }
}
