import { parseSpiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import {
  POD_IP,
  OTHER_IP,
  VIP,
  byHostname,
  byPodIp,
  byOtherPodIp,
  byVip,
  local,
  waypoint,
  waypointService,
  webService,
  client,
  ask,
  address,
  hostname,
  mismatch,
  fine,
  brief,
  type Row,
} from '../../test/inbound-fixture.ts'
import { mesh, pod, service } from '../../test/mesh-fixture.ts'
import { destinationServiceOf } from './destination-service.ts'
const asWaypoint = { local: waypoint }
const rows: readonly Row[] = [
  { name: 'takes its own address', mesh: [local], authority: address(POD_IP), expected: fine },
  {
    name: 'takes its own IPv6 address',
    mesh: [local],
    authority: address('fd00::2'),
    over: { localIp: 'fd00::2' },
    expected: 'connect fd00::2:80',
  },
  {
    name: 'refuses another pod’s address',
    mesh: [local, pod('other', { addresses: [OTHER_IP] })],
    authority: address(OTHER_IP),
    expected: mismatch,
  },
  {
    name: 'refuses an address nobody knows',
    mesh: [local],
    authority: address('1.1.1.1'),
    expected: mismatch,
  },
  {
    name: 'refuses another address of its own, since it is not the one dialled',
    mesh: [{ ...local, addresses: [POD_IP, OTHER_IP] }],
    authority: address(OTHER_IP),
    expected: mismatch,
  },
  {
    name: 'refuses the address of its own service',
    mesh: [local, webService],
    authority: address(VIP),
    expected: mismatch,
  },

  // As a waypoint.
  {
    name: 'takes a service’s address as its waypoint by name',
    mesh: [waypoint, waypointService, { ...webService, waypoint: byHostname }],
    authority: address(VIP),
    over: asWaypoint,
    expected: fine,
  },
  {
    name: 'takes a service’s address as its waypoint by virtual IP',
    mesh: [waypoint, waypointService, { ...webService, waypoint: byVip }],
    authority: address(VIP),
    over: asWaypoint,
    expected: fine,
  },
  {
    name: 'takes a service’s address as its waypoint by pod IP',
    mesh: [waypoint, { ...webService, waypoint: byPodIp }],
    authority: address(VIP),
    over: asWaypoint,
    expected: fine,
  },
  {
    name: 'takes a service’s address as one of its weighted waypoints',
    mesh: [
      waypoint,
      waypointService,
      { ...webService, weightedWaypoints: [{ destination: byHostname, weight: 1 }] },
    ],
    authority: address(VIP),
    over: asWaypoint,
    expected: fine,
  },
  {
    name: 'takes a pod’s address as its waypoint by name',
    mesh: [waypoint, waypointService, pod('app', { addresses: [OTHER_IP], waypoint: byHostname })],
    authority: address(OTHER_IP),
    over: asWaypoint,
    expected: fine,
  },
  {
    name: 'takes a pod’s address as its waypoint by virtual IP',
    mesh: [waypoint, waypointService, pod('app', { addresses: [OTHER_IP], waypoint: byVip })],
    authority: address(OTHER_IP),
    over: asWaypoint,
    expected: fine,
  },
  {
    name: 'takes a pod’s address as its waypoint by pod IP',
    mesh: [waypoint, pod('app', { addresses: [OTHER_IP], waypoint: byPodIp })],
    authority: address(OTHER_IP),
    over: asWaypoint,
    expected: fine,
  },
  {
    name: 'refuses a service whose waypoint is another',
    mesh: [waypoint, { ...webService, waypoint: byOtherPodIp }],
    authority: address(VIP),
    over: asWaypoint,
    expected: mismatch,
  },
  {
    name: 'refuses a service whose waypoint is unknown',
    mesh: [waypoint, { ...webService, waypoint: byHostname }],
    authority: address(VIP),
    over: asWaypoint,
    expected: mismatch,
  },
  {
    name: 'refuses a service of whose waypoint it is no endpoint',
    mesh: [local, waypointService, { ...webService, waypoint: byHostname }],
    authority: address(VIP),
    expected: mismatch,
  },
  {
    name: 'refuses a pod without waypoint whose service has one',
    mesh: [
      waypoint,
      waypointService,
      { ...webService, waypoint: byHostname },
      pod('app', { addresses: [OTHER_IP] }),
    ],
    authority: address(OTHER_IP),
    over: asWaypoint,
    expected: mismatch,
  },
  {
    name: 'refuses a service without waypoint whose pod has one',
    mesh: [
      waypoint,
      waypointService,
      webService,
      pod('app', { addresses: [OTHER_IP], waypoint: byHostname }),
    ],
    authority: address(VIP),
    over: asWaypoint,
    expected: mismatch,
  },

  // Host names.
  {
    name: 'resolves a host name’s port',
    mesh: [local, webService],
    authority: hostname('web', 80),
    expected: `connect ${POD_IP}:8080`,
  },
  {
    name: 'resolves a host name’s port by its own mapping',
    mesh: [local, webService],
    authority: hostname('web', 90),
    expected: `connect ${POD_IP}:9090`,
  },
  {
    name: 'refuses a named port it does not map',
    mesh: [local, webService],
    authority: hostname('web', 91),
    expected: '503 PORT_UNRESOLVED',
  },
  {
    name: 'refuses a port the service lacks',
    mesh: [local, webService],
    authority: hostname('web', 92),
    expected: '503 PORT_UNRESOLVED',
  },
  {
    name: 'refuses a host name nobody knows',
    mesh: [local],
    authority: hostname('web', 80),
    expected: '503 PORT_UNRESOLVED',
  },
  {
    name: 'prefers the host name in its own namespace',
    mesh: [local, { ...webService, namespace: 'bank', canonical: true, ports: [] }, webService],
    authority: hostname('web', 80),
    expected: `connect ${POD_IP}:8080`,
  },

  // Ports of the mesh itself.
  ...[15001, 15006, 15008].map((port): Row => ({
    name: `refuses port ${port}`,
    mesh: [local],
    authority: address(POD_IP, port),
    expected: '503 SELF_CALL',
  })),
  {
    name: 'refuses a host name that resolves to a port of the mesh',
    mesh: [
      local,
      service('evil', { ports: [{ servicePort: 80, targetPort: 15008, appProtocol: 'unknown' }] }),
    ],
    authority: hostname('evil', 80),
    expected: '503 SELF_CALL',
  },

  // Application tunnels.
  {
    name: 'takes any address and the tunnel’s port with a plain application tunnel',
    mesh: [local],
    authority: address('1.1.1.1'),
    over: { local: { ...local, applicationTunnel: { protocol: 'none', port: 15088 } } },
    expected: `connect ${POD_IP}:15088`,
  },
  {
    name: 'keeps the port if the tunnel names none',
    mesh: [local],
    authority: address(POD_IP),
    over: { local: { ...local, applicationTunnel: { protocol: 'none', port: 0 } } },
    expected: fine,
  },
  {
    name: 'looks at the port before the tunnel replaces it',
    mesh: [local],
    authority: address(POD_IP, 15008),
    over: { local: { ...local, applicationTunnel: { protocol: 'none', port: 15088 } } },
    expected: '503 SELF_CALL',
  },
  {
    name: 'looks at the port of a name before the tunnel replaces it',
    mesh: [local, webService],
    authority: hostname('web', 92),
    over: { local: { ...local, applicationTunnel: { protocol: 'proxy', port: 15088 } } },
    expected: '503 PORT_UNRESOLVED',
  },
  {
    name: 'refuses a PROXY tunnel to a name without address',
    mesh: [local, { ...webService, addresses: [] }],
    authority: hostname('web', 80),
    over: { local: { ...local, applicationTunnel: { protocol: 'proxy', port: 15088 } } },
    expected: '503 PROXY_ADDRESS_MISSING',
  },
  {
    name: 'needs no address for a tunnel without PROXY protocol',
    mesh: [local, { ...webService, addresses: [] }],
    authority: hostname('web', 80),
    over: { local: { ...local, applicationTunnel: { protocol: 'none', port: 15088 } } },
    expected: `connect ${POD_IP}:15088`,
  },
]

test.each(rows)('resolveInbound() $name', ({ mesh: parts, authority, over, expected }) => {
  expect(brief(ask(mesh(...parts), authority, over))).toBe(expected)
})

test.each([
  { name: 'the pod at the peer’s address', over: {}, expected: 'client' },
  { name: 'nobody for an address nobody knows', over: { peerIp: '10.0.0.99' }, expected: undefined },
  {
    name: 'nobody when the identity proved is another’s',
    over: { peer: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/thief') },
    expected: undefined,
  },
  {
    name: 'nobody behind a gateway of another network',
    over: { forwardedNetwork: 'far', network: 'near' },
    expected: undefined,
  },
  {
    name: 'the pod when the gateway’s network is ours in other letters',
    over: { forwardedNetwork: 'NEAR', network: 'near' },
    expected: 'client',
  },
])('resolveInbound() takes for the source $name', ({ over, expected }) => {
  const route = ask(mesh(local, client), address(POD_IP), over)
  expect(route.kind === 'connect' && route.sourceWorkload?.name).toBe(expected)
})

test('resolveInbound() says what did not match', () => {
  expect(ask(mesh(local), address('1.1.1.1'))).toMatchObject({ detail: 'ip mismatch: 1.1.1.1 != 10.0.0.2' })
  expect(ask(mesh(local, webService), hostname('web', 92))).toMatchObject({
    detail: 'requested service web:92 found, but cannot resolve port',
  })
})

test.each([
  { name: 'the one the peer forwarded', target: { port: 8080, forwardedHost: 'api' }, expected: 'api' },
  {
    name: 'no forwarded one that the workload is not a member of',
    target: { port: 8080, forwardedHost: 'bank' },
    expected: 'web',
  },
  { name: 'the first with the target port', target: { port: 7070 }, expected: 'api' },
  { name: 'the one whose port the workload maps', target: { port: 9090 }, expected: 'web' },
  { name: 'none for another port', target: { port: 1 }, expected: undefined },
])('destinationServiceOf() names $name', ({ target, expected }) => {
  const member = { ...local, services: { ...local.services, 'shop/api': [], 'shop/gone': [] } }
  const api = service('api', { ports: [{ servicePort: 80, targetPort: 7070, appProtocol: 'unknown' }] })
  expect(destinationServiceOf(mesh(member, webService, api, service('bank')), member, target)?.hostname).toBe(
    expected,
  )
})
