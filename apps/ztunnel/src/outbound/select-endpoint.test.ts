import * as fc from 'fast-check'
import type { Workload } from '@ambient/model'
import { expect, test } from 'vitest'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { at, mesh, pod, port, serves, service } from '../../test/mesh-fixture.ts'
import {
  brief,
  client,
  dial,
  type OutboundRow,
  spiffe,
  VIP,
  web,
  webService,
  pickedOf,
} from '../../test/outbound-fixture.ts'

const rows: readonly OutboundRow[] = [
  // Services.
  {
    name: 'resolves a service to its endpoint and target port',
    mesh: [web, webService],
    to: [VIP, 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },
  {
    name: 'prefers the endpoint’s own port',
    mesh: [
      pod('own', { addresses: ['10.0.0.2'], serviceAccount: 'web', ...serves('web', [80, 9090]) }),
      webService,
    ],
    to: [VIP, 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:9090 as web',
  },
  {
    name: 'resolves a named port by the endpoint',
    mesh: [
      pod('own', { addresses: ['10.0.0.2'], serviceAccount: 'web', ...serves('web', [80, 7070]) }),
      service('web', { addresses: [at(VIP)], ports: [port(80, 0)] }),
    ],
    to: [VIP, 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:7070 as web',
  },
  {
    name: 'skips endpoints that do not map a named port',
    mesh: [
      pod('own', { addresses: ['10.0.0.2'], ...serves('web') }),
      service('web', { addresses: [at(VIP)], ports: [port(80, 0)] }),
    ],
    to: [VIP, 80],
    expected: 'reject NO_HEALTHY_UPSTREAM',
  },
  {
    name: 'refuses a port the service does not have',
    mesh: [web, webService],
    to: [VIP, 81],
    expected: 'reject NO_HEALTHY_UPSTREAM',
  },
  {
    name: 'refuses a service without endpoints',
    mesh: [webService],
    to: [VIP, 80],
    expected: 'reject NO_HEALTHY_UPSTREAM',
  },
  {
    name: 'refuses a service whose endpoints are not ready',
    mesh: [{ ...web, status: 'unhealthy' }, webService],
    to: [VIP, 80],
    expected: 'reject NO_HEALTHY_UPSTREAM',
  },
  {
    name: 'takes endpoints that are not ready if the service says so',
    mesh: [
      { ...web, status: 'unhealthy' },
      {
        ...webService,
        loadBalancing: { routingPreference: [], mode: 'unspecified', healthPolicy: 'allow-all' },
      },
    ],
    to: [VIP, 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },
  {
    name: 'goes plain to an endpoint outside the mesh',
    mesh: [{ ...web, tunnelProtocol: 'none' }, webService],
    to: [VIP, 80],
    expected: 'tcp 10.0.0.2:8080',
  },
  {
    name: 'goes plain to a host-network endpoint',
    mesh: [{ ...web, tunnelProtocol: 'none', networkMode: 'host-network' }, webService],
    to: [VIP, 80],
    expected: 'tcp 10.0.0.2:8080',
  },
  {
    name: 'lets a passthrough service through',
    mesh: [
      web,
      {
        ...webService,
        loadBalancing: { routingPreference: [], mode: 'passthrough', healthPolicy: 'allow-all' },
      },
    ],
    to: [VIP, 80],
    expected: `passthrough ${VIP}:80`,
  },
  {
    name: 'accepts the service’s further names',
    mesh: [web, { ...webService, subjectAltNames: [spiffe('db'), 'not-an-id', spiffe('web')] }],
    to: [VIP, 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as db+web',
  },
  {
    name: 'never picks an endpoint of capacity 0 beside others',
    mesh: [
      { ...web, capacity: 0 },
      pod('other', { addresses: ['10.0.0.5'], serviceAccount: 'other', ...serves('web', [80, 8080]) }),
      webService,
    ],
    to: [VIP, 80],
    expected: 'hbone 10.0.0.5:15008 for 10.0.0.5:8080 as other',
  },
  {
    name: 'refuses when all capacity is 0',
    mesh: [{ ...web, capacity: 0 }, webService],
    to: [VIP, 80],
    expected: 'reject NO_HEALTHY_UPSTREAM',
  },
  {
    name: 'prefers the service when an address is a pod’s too',
    mesh: [web, pod('thief', { addresses: [VIP], serviceAccount: 'thief' }), webService],
    to: [VIP, 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },
  {
    name: 'skips a remote endpoint without gateway',
    mesh: [pod('far', { network: 'far', ...serves('web', [80, 8080]) }), webService],
    to: [VIP, 80],
    expected: 'reject NO_HEALTHY_UPSTREAM',
  },
  {
    name: 'resolves the host name of an endpoint that has no address, plain',
    mesh: [
      pod('named', { hostname: 'db.example', tunnelProtocol: 'none', ...serves('web', [80, 8080]) }),
      webService,
    ],
    to: [VIP, 80],
    expected: 'resolve db.example, then tcp 192.0.2.7:8080',
  },
  {
    name: 'resolves the host name of an endpoint that speaks HBONE',
    mesh: [
      pod('named', { hostname: 'db.example', serviceAccount: 'db', ...serves('web', [80, 8080]) }),
      webService,
    ],
    to: [VIP, 80],
    expected: 'resolve db.example, then hbone 192.0.2.7:15008 for 192.0.2.7:8080 as db',
  },
  {
    name: 'prefers an endpoint’s address to its host name',
    mesh: [{ ...web, hostname: 'db.example' }, webService],
    to: [VIP, 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },

  // Which address of a dual-stack endpoint.
  {
    name: 'prefers the family of the address dialled',
    mesh: [
      { ...web, addresses: ['10.0.0.2', 'fd00::2'] },
      { ...webService, addresses: [at('fd00:96::1')] },
    ],
    to: ['fd00:96::1', 80],
    expected: 'hbone fd00::2:15008 for [fd00::2]:8080 as web',
  },
  {
    name: 'takes the other family if there is no choice',
    mesh: [web, { ...webService, addresses: [at('fd00:96::1')] }],
    to: ['fd00:96::1', 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },
  {
    name: 'keeps to the families of the service',
    mesh: [
      { ...web, addresses: ['fd00::2', '10.0.0.2'] },
      { ...webService, addresses: [at('fd00:96::1')], ipFamilies: 'ipv4-only' },
    ],
    to: ['fd00:96::1', 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },
  {
    name: 'refuses when no endpoint has the service’s family',
    mesh: [web, { ...webService, ipFamilies: 'ipv6-only' }],
    to: [VIP, 80],
    expected: 'reject NO_HEALTHY_UPSTREAM',
  },
]

test.each(rows)('resolveDestination() $name', ({ mesh: parts, to: [ip, portNumber], over, expected }) => {
  expect(brief(dial(mesh(...parts), ip, portNumber, over))).toBe(expected)
})

const places = {
  node: { node: 'n1', locality: client.locality },
  zone: { node: 'n2', locality: client.locality },
  region: { node: 'n3', locality: { region: 'r', zone: 'other', subzone: 's' } },
  far: { node: 'n4', locality: { region: 'other', zone: 'z', subzone: 's' } },
}

test.each([
  {
    preference: ['region', 'zone', 'subzone', 'node'],
    mode: 'failover',
    endpoints: ['far', 'region', 'zone', 'node'],
    expected: ['node'],
  },
  {
    preference: ['region', 'zone', 'subzone', 'node'],
    mode: 'failover',
    endpoints: ['far', 'region', 'zone'],
    expected: ['zone'],
  },
  { preference: ['region', 'zone'], mode: 'failover', endpoints: ['far', 'region'], expected: ['region'] },
  { preference: ['region', 'zone'], mode: 'failover', endpoints: ['far'], expected: ['far'] },
  {
    preference: ['region', 'zone'],
    mode: 'failover',
    endpoints: ['zone', 'node', 'far'],
    expected: ['node', 'zone'],
  },
  { preference: ['node'], mode: 'strict', endpoints: ['far', 'zone', 'node'], expected: ['node'] },
  { preference: ['node'], mode: 'strict', endpoints: ['far', 'zone'], expected: [] },
  { preference: [], mode: 'strict', endpoints: ['far', 'zone'], expected: ['far', 'zone'] },
  { preference: ['node'], mode: 'unspecified', endpoints: ['far', 'node'], expected: ['far', 'node'] },
] as const)(
  'resolveDestination() with $mode $preference picks $expected of $endpoints',
  ({ preference, mode, endpoints, expected }) => {
    const pods = endpoints.map((place, i) =>
      pod(place, { addresses: [`10.1.0.${i}`], ...places[place], ...serves('web', [80, 80]) }),
    )
    const snapshot = mesh(
      { ...webService, loadBalancing: { routingPreference: preference, mode, healthPolicy: 'only-healthy' } },
      ...pods,
    )
    const seen = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const route = dial(snapshot, VIP, 80, { random: { float: () => i / 20 } })
      if (route.kind !== 'reject') seen.add(pickedOf(route)?.name ?? '')
    }
    expect([...seen].toSorted()).toEqual(expected)
  },
)

test('resolveDestination() with NETWORK first prefers any endpoint of its own network, then the nearest of the others', () => {
  const remote = {
    network: 'far',
    addresses: [],
    networkGateway: {
      destination: { kind: 'address' as const, network: 'far', ip: '9.9.9.9' },
      hboneMtlsPort: 15008,
    },
  }
  const near = pod('remote-near', { ...remote, ...places.node, ...serves('web', [80, 80]) })
  const away = pod('remote-away', { ...remote, ...places.far, ...serves('web', [80, 80]) })
  const own = pod('own', { addresses: ['10.1.0.1'], ...places.far, ...serves('web', [80, 80]) })
  const preferNetwork = {
    ...webService,
    loadBalancing: {
      routingPreference: ['network', 'region', 'zone'],
      mode: 'failover',
      healthPolicy: 'only-healthy',
    },
  } as const
  expect(brief(dial(mesh(preferNetwork, near, own), VIP, 80))).toBe(
    'hbone 10.1.0.1:15008 for 10.1.0.1:80 as default',
  )
  expect(dial(mesh(preferNetwork, away, near), VIP, 80)).toMatchObject({
    reason: 'NETWORK_GATEWAY_UNKNOWN',
    detail: expect.stringContaining('remote-near') as unknown,
  })
})

const key = (name: string): string => `Kubernetes//Pod/shop/${name}|80`
const near = pod('near', { addresses: ['10.1.0.1'], ...places.node, ...serves('web', [80, 80]) })
const near2 = pod('near2', { addresses: ['10.1.0.2'], ...places.node, ...serves('web', [80, 80]) })
const away = pod('away', { addresses: ['10.1.0.3'], ...places.far, ...serves('web', [80, 80]) })

test.each([
  { name: 'whoever it likes', tried: [], failing: [], expected: ['near', 'near2'] },
  { name: 'none that failed others', tried: [], failing: ['near'], expected: ['near2'] },
  { name: 'none it has tried', tried: ['near2'], failing: [], expected: ['near'] },
  { name: 'a farther one when all near ones fail', tried: ['near'], failing: ['near2'], expected: ['away'] },
  {
    name: 'one that failed others rather than one it has tried',
    tried: ['near', 'away'],
    failing: ['near2'],
    expected: ['near2'],
  },
  { name: 'nobody when it has tried all', tried: ['near', 'near2', 'away'], failing: [], expected: ['none'] },
])('resolveDestination() picks $name', ({ tried, failing, expected }) => {
  const toNode = {
    ...webService,
    loadBalancing: {
      routingPreference: ['region', 'node'],
      mode: 'failover',
      healthPolicy: 'only-healthy',
    },
  } as const
  expect(pickedFrom(mesh(toNode, near, near2, away), tried, failing)).toEqual(expected)
})

test('resolveDestination() picks no farther one for a strict service, and no unready one', () => {
  const strict = {
    ...webService,
    loadBalancing: { routingPreference: ['node'], mode: 'strict', healthPolicy: 'only-healthy' },
  } as const
  expect(pickedFrom(mesh(strict, near, away), ['near'], [])).toEqual(['none'])
  expect(pickedFrom(mesh(strict, near, away), [], ['near'])).toEqual(['near'])
  expect(pickedFrom(mesh(webService, near, { ...near2, status: 'unhealthy' }), ['near'], [])).toEqual([
    'none',
  ])
})

function pickedFrom(snapshot: MeshSnapshot, tried: readonly string[], failing: readonly string[]): string[] {
  const avoid = { tried: new Set(tried.map(key)), failing: new Set(failing.map(key)) }
  const seen = new Set<string>()
  for (let i = 0; i < 20; i++) {
    const route = dial(snapshot, VIP, 80, { avoid, random: { float: () => i / 20 } })
    seen.add(pickedOf(route)?.name ?? 'none')
  }
  return [...seen].toSorted()
}

test('resolveDestination() spreads connections by capacity', () => {
  const pods = [1, 3, 6].map((capacity, i) =>
    pod(`p${i}`, { addresses: [`10.1.0.${i}`], capacity, ...serves('web', [80, 80]) }),
  )
  const snapshot = mesh(webService, ...pods)
  const counts: Record<string, number> = {}
  for (let i = 0; i < 1000; i++) {
    const route = dial(snapshot, VIP, 80, { random: { float: () => i / 1000 } })
    const name = pickedOf(route)?.name ?? ''
    counts[name] = (counts[name] ?? 0) + 1
  }
  expect(counts).toEqual({ p0: 100, p1: 300, p2: 600 })
})

test('resolveDestination() never picks what a fresh look at the endpoints would not, whatever came before', () => {
  const states = fc.array(
    fc.record({
      i: fc.nat(5),
      status: fc.constantFrom('healthy' as const, 'unhealthy' as const),
      capacity: fc.nat(2),
      member: fc.boolean(),
    }),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(states, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (steps, float) => {
      const snapshot = mesh(webService)
      const now = new Map<string, Workload>()
      for (const { i, status, capacity, member } of steps) {
        const one = pod(`p${i}`, {
          addresses: [`10.1.0.${i}`],
          status,
          capacity,
          ...(member ? serves('web', [80, 80]) : {}),
        })
        now.set(one.uid, one)
        snapshot.apply({
          addresses: { upserts: [{ kind: 'workload', workload: one }], removed: [] },
          policies: { upserts: [], removed: [] },
        })
        const fit = [...now.values()].filter(
          (w) => w.status === 'healthy' && w.capacity > 0 && Object.keys(w.services).length > 0,
        )
        const route = dial(snapshot, VIP, 80, { random: { float: () => float } })
        if (fit.length === 0) expect(brief(route)).toBe('reject NO_HEALTHY_UPSTREAM')
        else expect(fit).toContain(pickedOf(route) ?? route)
      }
    }),
  )
})
