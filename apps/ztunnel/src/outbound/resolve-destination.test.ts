import { expect, test } from 'vitest'
import { mesh, pod } from '../../test/mesh-fixture.ts'
import {
  brief,
  client,
  dial,
  type OutboundRow,
  VIP,
  waypointPod,
  waypointService,
  WAYPOINT,
  web,
  webService,
} from '../../test/outbound-fixture.ts'

const rows: readonly OutboundRow[] = [
  {
    name: 'lets other loopback ports through',
    mesh: [],
    to: ['127.0.0.1', 80],
    expected: 'passthrough 127.0.0.1:80',
  },

  // Addresses of workloads and of nobody.
  {
    name: 'lets an unknown address through',
    mesh: [web],
    to: ['1.1.1.1', 443],
    expected: 'passthrough 1.1.1.1:443',
  },
  {
    name: 'lets an address of another network through',
    mesh: [pod('far', { addresses: ['10.0.0.2'], network: 'far' })],
    to: ['10.0.0.2', 80],
    expected: 'passthrough 10.0.0.2:80',
  },
  {
    name: 'tunnels to a pod that speaks HBONE',
    mesh: [web],
    to: ['10.0.0.2', 8080],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },
  {
    name: 'tunnels over IPv6',
    mesh: [pod('six', { addresses: ['fd00::2'], serviceAccount: 'six' })],
    to: ['fd00::2', 80],
    expected: 'hbone fd00::2:15008 for [fd00::2]:80 as six',
  },
  {
    name: 'goes plain to a pod outside the mesh',
    mesh: [pod('plain', { addresses: ['10.0.0.3'], tunnelProtocol: 'none' })],
    to: ['10.0.0.3', 80],
    expected: 'tcp 10.0.0.3:80',
  },
  {
    name: 'lets a host-network pod’s address through',
    mesh: [pod('host', { addresses: ['10.0.0.4'], networkMode: 'host-network' })],
    to: ['10.0.0.4', 80],
    expected: 'passthrough 10.0.0.4:80',
  },
  {
    name: 'dials an unhealthy pod by its own address',
    mesh: [pod('sick', { addresses: ['10.0.0.2'], status: 'unhealthy', serviceAccount: 'web' })],
    to: ['10.0.0.2', 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:80 as web',
  },
  {
    name: 'tunnels to itself',
    mesh: [client],
    to: ['10.0.0.1', 80],
    expected: 'hbone 10.0.0.1:15008 for 10.0.0.1:80 as client',
  },

  // Networks.
  {
    name: 'looks up pods on the source’s network',
    mesh: [pod('far', { addresses: ['10.0.0.2'], network: 'far', serviceAccount: 'far' })],
    to: ['10.0.0.2', 80],
    over: { source: { ...client, network: 'far' }, network: 'far' },
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:80 as far',
  },
]

test.each(rows)('resolveDestination() $name', ({ mesh: parts, to: [ip, portNumber], over, expected }) => {
  expect(brief(dial(mesh(...parts), ip, portNumber, over))).toBe(expected)
})

test('resolveDestination() names service and workload for telemetry', () => {
  const direct = dial(mesh(web, webService), VIP, 80)
  expect(direct).toMatchObject({
    destinationService: { hostname: 'web' },
    destinationWorkload: { name: 'web' },
  })
  const through = dial(
    mesh(web, waypointService, waypointPod, { ...webService, waypoint: WAYPOINT }),
    VIP,
    80,
  )
  expect(through).toMatchObject({
    destinationService: { hostname: 'web' },
    destinationWorkload: { name: 'waypoint-1' },
  })
})

test.each([
  { name: 'no endpoint', snapshot: mesh(webService), detail: `no healthy upstream: ${VIP}:80 (shop/web)` },
  {
    name: 'no waypoint',
    snapshot: mesh({ ...webService, waypoint: WAYPOINT }),
    detail: 'unknown waypoint: shop/waypoint',
  },
])('resolveDestination() says what is missing: $name', ({ snapshot, detail }) =>
  expect(dial(snapshot, VIP, 80)).toMatchObject({ kind: 'reject', detail }),
)
