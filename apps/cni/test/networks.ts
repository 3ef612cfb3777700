import { join } from 'node:path'

export type NetworkFamily = 'ipv4' | 'ipv6'

/** Debian's bridge, as the network of a node. */
export function bridgeNetwork(directory: string, family: NetworkFamily = 'ipv4'): object {
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, ipam: hostLocal(directory, family) }
  return { cniVersion: '1.0.0', name: 'test', plugins: [bridge] }
}

/** Debian's ptp, as the network of a node. */
export function ptpNetwork(directory: string): object {
  return { cniVersion: '1.0.0', name: 'test', plugins: [{ type: 'ptp', ipam: hostLocal(directory, 'ipv4') }] }
}

function hostLocal(directory: string, family: NetworkFamily): object {
  const [subnet, everywhere] = family === 'ipv4' ? ['10.77.0.0/24', '0.0.0.0/0'] : ['fd77::/64', '::/0']
  return {
    type: 'host-local',
    dataDir: join(directory, 'ipam'),
    ranges: [[{ subnet }]],
    routes: [{ dst: everywhere }],
  }
}
