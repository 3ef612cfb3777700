import type { Workload } from '@ambient/model'
import { expect, test } from 'vitest'
import {
  POD_IP,
  OTHER_IP,
  VIP,
  byPodIp,
  byVip,
  local,
  waypoint,
  waypointService,
  webService,
  ask,
  address,
  hostname,
  mismatch,
  brief,
  type Row,
} from '../../test/inbound-fixture.ts'
import { mesh, pod } from '../../test/mesh-fixture.ts'
import type { InboundRequest } from './inbound-request.ts'
import type { InboundRoute } from './resolve-inbound.ts'
/** How the app is dialled: where, as whom, and what it is told. */
function dialOf(route: InboundRoute): string {
  if (route.kind === 'reject') return brief(route)
  const { ip, sourceIp, proxyTo } = route.dial
  const told = proxyTo === undefined ? '' : `, told ${proxyTo.ip}:${proxyTo.port}`
  return `${ip}:${route.port} as ${sourceIp ?? 'anybody'}${told}`
}

const proxied: Partial<InboundRequest> = {
  local: { ...local, applicationTunnel: { protocol: 'proxy', port: 15088 } },
}
const dials: readonly Row[] = [
  {
    name: 'as the peer',
    mesh: [local],
    authority: address(POD_IP),
    expected: '10.0.0.2:80 as 10.0.0.1',
  },
  {
    name: 'as anybody when the pod calls itself',
    mesh: [local],
    authority: address(POD_IP),
    over: { peerIp: POD_IP },
    expected: '10.0.0.2:80 as anybody',
  },
  {
    name: 'as the peer through a tunnel without PROXY protocol',
    mesh: [local],
    authority: address(VIP),
    over: { local: { ...local, applicationTunnel: { protocol: 'none', port: 15088 } } },
    expected: '10.0.0.2:15088 as 10.0.0.1',
  },
  {
    name: 'over loopback with a PROXY header',
    mesh: [local],
    authority: address(VIP),
    over: proxied,
    expected: '127.0.0.1:15088 as 127.0.0.1, told 10.96.0.1:80',
  },
  {
    name: 'over loopback of the pod’s family',
    mesh: [local],
    authority: address('fd00:96::1'),
    over: { ...proxied, localIp: 'fd00::2' },
    expected: '::1:15088 as ::1, told fd00:96::1:80',
  },
  {
    name: 'with a PROXY header at the pod’s address if loopback is not wanted',
    mesh: [local],
    authority: address(VIP),
    over: { ...proxied, tunnelsToLoopback: false },
    expected: '10.0.0.2:15088 as 10.0.0.1, told 10.96.0.1:80',
  },
  {
    name: 'with a PROXY header at the port asked for if the tunnel names none',
    mesh: [local],
    authority: address(VIP),
    over: { local: { ...local, applicationTunnel: { protocol: 'proxy', port: 0 } } },
    expected: '127.0.0.1:80 as 127.0.0.1, told 10.96.0.1:80',
  },
  {
    name: 'with the IPv4 address of our network for a name, and the service’s port',
    mesh: [
      local,
      {
        ...webService,
        addresses: [
          { network: 'far', ip: '10.96.9.9' },
          { network: '', ip: 'fd00:96::1' },
          { network: '', ip: VIP },
        ],
      },
    ],
    authority: hostname('web', 90),
    over: proxied,
    expected: '127.0.0.1:15088 as 127.0.0.1, told 10.96.0.1:90',
  },
  {
    name: 'with an IPv6 address of our network for a name that has no other there',
    mesh: [
      local,
      {
        ...webService,
        addresses: [
          { network: 'far', ip: '10.96.9.9' },
          { network: '', ip: 'fd00:96::1' },
        ],
      },
    ],
    authority: hostname('web', 90),
    over: proxied,
    expected: '127.0.0.1:15088 as 127.0.0.1, told fd00:96::1:90',
  },
  {
    name: 'with an address of another network for a name that has none on ours',
    mesh: [local, { ...webService, addresses: [{ network: 'far', ip: '10.96.9.9' }] }],
    authority: hostname('web', 90),
    over: proxied,
    expected: '127.0.0.1:15088 as 127.0.0.1, told 10.96.9.9:90',
  },
]

test.each(dials)('resolveInbound() dials the app $name', ({ mesh: parts, authority, over, expected }) => {
  expect(dialOf(ask(mesh(...parts), authority, over))).toBe(expected)
})

// Every way to be a waypoint × how the app is reached × what is asked for.
const attached = {
  'of nothing': { service: webService, app: pod('app', { addresses: [OTHER_IP] }) },
  'of the pod, by pod IP': {
    service: webService,
    app: pod('app', { addresses: [OTHER_IP], waypoint: byPodIp }),
  },
  'of the pod, by virtual IP': {
    service: webService,
    app: pod('app', { addresses: [OTHER_IP], waypoint: byVip }),
  },
  'of the service, by pod IP': {
    service: { ...webService, waypoint: byPodIp },
    app: pod('app', { addresses: [OTHER_IP] }),
  },
  'of the service, by virtual IP': {
    service: { ...webService, waypoint: byVip },
    app: pod('app', { addresses: [OTHER_IP] }),
  },
}
const asked = {
  'its own IP': address(POD_IP),
  'the app’s IP': address(OTHER_IP),
  'the virtual IP': address(VIP),
  'the host name': hostname('web', 80),
}

test.each(
  Object.keys(attached).flatMap((waypointOf) =>
    (['none', 'proxy'] as const).map((tunnel) => ({ waypointOf, tunnel })),
  ),
)('resolveInbound() for a waypoint $waypointOf, with tunnel $tunnel', ({ waypointOf, tunnel }) => {
  const { service: web, app } = attached[waypointOf as keyof typeof attached]
  const me: Workload = {
    ...waypoint,
    ...(tunnel === 'proxy' && { applicationTunnel: { protocol: 'proxy', port: 15088 } }),
  }
  const snapshot = mesh(me, waypointService, web, app)
  const answers = Object.fromEntries(
    Object.entries(asked).map(([name, authority]) => [name, brief(ask(snapshot, authority, { local: me }))]),
  )
  const port = tunnel === 'proxy' ? 15088 : 80
  const yes = `connect ${POD_IP}:${port}`
  const ifAttached = (to: string) => (tunnel === 'proxy' || waypointOf.startsWith(to) ? yes : mismatch)
  expect(answers).toEqual({
    'its own IP': yes,
    'the app’s IP': ifAttached('of the pod'),
    'the virtual IP': ifAttached('of the service'),
    'the host name': `connect ${POD_IP}:${tunnel === 'proxy' ? 15088 : 8080}`,
  })
})
