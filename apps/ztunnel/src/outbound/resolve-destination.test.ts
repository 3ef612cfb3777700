import { type Address, defineService, defineWorkload, type GatewayAddress, type PortMapping, type Service, type Workload } from '@ambient/model'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { type OutboundAttempt, resolveDestination, type Route } from './resolve-destination.ts'

const VIP = '10.96.0.1'
const WAYPOINT: GatewayAddress = { destination: { kind: 'hostname', namespace: 'shop', hostname: 'waypoint' }, hboneMtlsPort: 15008 }
const spiffe = (account: string): string => `spiffe://cluster.local/ns/shop/sa/${account}`

const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client', node: 'n1', locality: { region: 'r', zone: 'z', subzone: 's' } })
const web = pod('web', { addresses: ['10.0.0.2'], serviceAccount: 'web', ...serves('web', [80, 8080]) })
const webService = service('web', { addresses: [at(VIP)], ports: [port(80, 8080)] })

function pod(name: string, known: Partial<Workload> = {}): Workload {
  return defineWorkload({ uid: `Kubernetes//Pod/shop/${name}`, name, namespace: 'shop', tunnelProtocol: 'hbone', ...known })
}

function service(hostname: string, known: Partial<Service> = {}): Service {
  return defineService({ name: hostname, namespace: 'shop', hostname, ...known })
}

function port(servicePort: number, targetPort: number): PortMapping {
  return { servicePort, targetPort, appProtocol: 'unknown' }
}

function at(ip: string): { readonly network: string; readonly ip: string } {
  return { network: '', ip }
}

function serves(hostname: string, ...ports: readonly (readonly [number, number])[]): Pick<Workload, 'services'> {
  return { services: { [`shop/${hostname}`]: ports.map(([servicePort, targetPort]) => port(servicePort, targetPort)) } }
}

function mesh(...parts: readonly (Workload | Service)[]): MeshSnapshot {
  const snapshot = new MeshSnapshot()
  const upserts = parts.map((one): Address => ('uid' in one ? { kind: 'workload', workload: one } : { kind: 'service', service: one }))
  snapshot.apply({ addresses: { upserts, removed: [] }, policies: { upserts: [], removed: [] } })
  return snapshot
}

function dial(snapshot: MeshSnapshot, ip: string, portNumber: number, over: Partial<OutboundAttempt> = {}): Route {
  const random = { float: () => 0.5 }
  return resolveDestination(snapshot, { source: client, sourceIp: '10.0.0.1', destination: { ip, port: portNumber }, network: '', random, ...over })
}

/** A route in one line: kind, next hop, authority, accounts that may answer. */
function brief(route: Route): string {
  if (route.kind === 'reject') return `reject ${route.reason}`
  const hop = `${route.kind} ${route.nextHop.ip}:${route.nextHop.port}`
  if (route.kind !== 'hbone') return hop
  const accounts = route.expectedIds.map((id) => id.split('/').at(-1)).join('+')
  return `${route.isWaypoint ? 'waypoint ' : ''}${hop} for ${route.authority} as ${accounts}`
}

const waypointService = service('waypoint', { addresses: [at('10.96.0.9')], ports: [port(15008, 15008)] })
const waypointPod = pod('waypoint-1', { addresses: ['10.0.0.9'], serviceAccount: 'waypoint', ...serves('waypoint', [15008, 15008]) })
const throughWaypoint = `waypoint hbone 10.0.0.9:15008 for ${VIP}:80 as waypoint`

interface Row {
  readonly name: string
  readonly mesh: readonly (Workload | Service)[]
  readonly to: readonly [ip: string, port: number]
  readonly expected: string
  readonly over?: Partial<OutboundAttempt>
}

const rows: readonly Row[] = [
  // Calls to the proxy itself.
  ...[15001, 15006, 15008].map((own): Row => ({ name: `refuses loopback port ${own}`, mesh: [], to: ['127.0.0.1', own], expected: 'reject SELF_CALL' })),
  { name: 'refuses IPv6 loopback', mesh: [], to: ['::1', 15001], expected: 'reject SELF_CALL' },
  { name: 'refuses all of 127/8', mesh: [], to: ['127.9.9.9', 15008], expected: 'reject SELF_CALL' },
  { name: 'lets other loopback ports through', mesh: [], to: ['127.0.0.1', 80], expected: 'passthrough 127.0.0.1:80' },

  // Addresses of workloads and of nobody.
  { name: 'lets an unknown address through', mesh: [web], to: ['1.1.1.1', 443], expected: 'passthrough 1.1.1.1:443' },
  { name: 'lets an address of another network through', mesh: [pod('far', { addresses: ['10.0.0.2'], network: 'far' })], to: ['10.0.0.2', 80], expected: 'passthrough 10.0.0.2:80' },
  { name: 'tunnels to a pod that speaks HBONE', mesh: [web], to: ['10.0.0.2', 8080], expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web' },
  { name: 'tunnels over IPv6', mesh: [pod('six', { addresses: ['fd00::2'], serviceAccount: 'six' })], to: ['fd00::2', 80], expected: 'hbone fd00::2:15008 for [fd00::2]:80 as six' },
  { name: 'goes plain to a pod outside the mesh', mesh: [pod('plain', { addresses: ['10.0.0.3'], tunnelProtocol: 'none' })], to: ['10.0.0.3', 80], expected: 'tcp 10.0.0.3:80' },
  { name: 'lets a host-network pod’s address through', mesh: [pod('host', { addresses: ['10.0.0.4'], networkMode: 'host-network' })], to: ['10.0.0.4', 80], expected: 'passthrough 10.0.0.4:80' },
  { name: 'dials an unhealthy pod by its own address', mesh: [pod('sick', { addresses: ['10.0.0.2'], status: 'unhealthy', serviceAccount: 'web' })], to: ['10.0.0.2', 80], expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:80 as web' },
  { name: 'tunnels to itself', mesh: [client], to: ['10.0.0.1', 80], expected: 'hbone 10.0.0.1:15008 for 10.0.0.1:80 as client' },

  // Services.
  { name: 'resolves a service to its endpoint and target port', mesh: [web, webService], to: [VIP, 80], expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web' },
  { name: 'prefers the endpoint’s own port', mesh: [pod('own', { addresses: ['10.0.0.2'], serviceAccount: 'web', ...serves('web', [80, 9090]) }), webService], to: [VIP, 80], expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:9090 as web' },
  { name: 'resolves a named port by the endpoint', mesh: [pod('own', { addresses: ['10.0.0.2'], serviceAccount: 'web', ...serves('web', [80, 7070]) }), service('web', { addresses: [at(VIP)], ports: [port(80, 0)] })], to: [VIP, 80], expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:7070 as web' },
  { name: 'skips endpoints that do not map a named port', mesh: [pod('own', { addresses: ['10.0.0.2'], ...serves('web') }), service('web', { addresses: [at(VIP)], ports: [port(80, 0)] })], to: [VIP, 80], expected: 'reject NO_HEALTHY_UPSTREAM' },
  { name: 'refuses a port the service does not have', mesh: [web, webService], to: [VIP, 81], expected: 'reject NO_HEALTHY_UPSTREAM' },
  { name: 'refuses a service without endpoints', mesh: [webService], to: [VIP, 80], expected: 'reject NO_HEALTHY_UPSTREAM' },
  { name: 'refuses a service whose endpoints are not ready', mesh: [{ ...web, status: 'unhealthy' }, webService], to: [VIP, 80], expected: 'reject NO_HEALTHY_UPSTREAM' },
  { name: 'takes endpoints that are not ready if the service says so', mesh: [{ ...web, status: 'unhealthy' }, { ...webService, loadBalancing: { routingPreference: [], mode: 'unspecified', healthPolicy: 'allow-all' } }], to: [VIP, 80], expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web' },
  { name: 'goes plain to an endpoint outside the mesh', mesh: [{ ...web, tunnelProtocol: 'none' }, webService], to: [VIP, 80], expected: 'tcp 10.0.0.2:8080' },
  { name: 'goes plain to a host-network endpoint', mesh: [{ ...web, tunnelProtocol: 'none', networkMode: 'host-network' }, webService], to: [VIP, 80], expected: 'tcp 10.0.0.2:8080' },
  { name: 'lets a passthrough service through', mesh: [web, { ...webService, loadBalancing: { routingPreference: [], mode: 'passthrough', healthPolicy: 'allow-all' } }], to: [VIP, 80], expected: `passthrough ${VIP}:80` },
  { name: 'accepts the service’s further names', mesh: [web, { ...webService, subjectAltNames: [spiffe('db'), 'not-an-id', spiffe('web')] }], to: [VIP, 80], expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as db+web' },
  { name: 'never picks an endpoint of capacity 0 beside others', mesh: [{ ...web, capacity: 0 }, pod('other', { addresses: ['10.0.0.5'], serviceAccount: 'other', ...serves('web', [80, 8080]) }), webService], to: [VIP, 80], expected: 'hbone 10.0.0.5:15008 for 10.0.0.5:8080 as other' },
  { name: 'refuses when all capacity is 0', mesh: [{ ...web, capacity: 0 }, webService], to: [VIP, 80], expected: 'reject NO_HEALTHY_UPSTREAM' },
  { name: 'prefers the service when an address is a pod’s too', mesh: [web, pod('thief', { addresses: [VIP], serviceAccount: 'thief' }), webService], to: [VIP, 80], expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web' },
  { name: 'refuses an endpoint behind a network gateway', mesh: [pod('far', { network: 'far', networkGateway: { destination: { kind: 'address', network: 'far', ip: '9.9.9.9' }, hboneMtlsPort: 15008 }, ...serves('web', [80, 8080]) }), webService], to: [VIP, 80], expected: 'reject NETWORK_GATEWAY_UNSUPPORTED' },
  { name: 'skips a remote endpoint without gateway', mesh: [pod('far', { network: 'far', ...serves('web', [80, 8080]) }), webService], to: [VIP, 80], expected: 'reject NO_HEALTHY_UPSTREAM' },
  { name: 'refuses an endpoint known by host name', mesh: [pod('named', { hostname: 'db.example', ...serves('web', [80, 8080]) }), webService], to: [VIP, 80], expected: 'reject WORKLOAD_HOSTNAME_UNSUPPORTED' },

  // Which address of a dual-stack endpoint.
  { name: 'prefers the family of the address dialled', mesh: [{ ...web, addresses: ['10.0.0.2', 'fd00::2'] }, { ...webService, addresses: [at('fd00:96::1')] }], to: ['fd00:96::1', 80], expected: 'hbone fd00::2:15008 for [fd00::2]:8080 as web' },
  { name: 'takes the other family if there is no choice', mesh: [web, { ...webService, addresses: [at('fd00:96::1')] }], to: ['fd00:96::1', 80], expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web' },
  { name: 'keeps to the families of the service', mesh: [{ ...web, addresses: ['fd00::2', '10.0.0.2'] }, { ...webService, addresses: [at('fd00:96::1')], ipFamilies: 'ipv4-only' }], to: ['fd00:96::1', 80], expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web' },
  { name: 'refuses when no endpoint has the service’s family', mesh: [web, { ...webService, ipFamilies: 'ipv6-only' }], to: [VIP, 80], expected: 'reject NO_HEALTHY_UPSTREAM' },

  // Waypoints of services.
  { name: 'sends service traffic to its waypoint, authority untranslated', mesh: [web, waypointService, waypointPod, { ...webService, waypoint: WAYPOINT }], to: [VIP, 80], expected: throughWaypoint },
  { name: 'sends it there even if the service has no endpoint', mesh: [waypointService, waypointPod, { ...webService, waypoint: WAYPOINT }], to: [VIP, 80], expected: throughWaypoint },
  { name: 'finds a waypoint by the address of its service', mesh: [waypointService, waypointPod, { ...webService, waypoint: { destination: { kind: 'address', network: '', ip: '10.96.0.9' }, hboneMtlsPort: 15008 } }], to: [VIP, 80], expected: throughWaypoint },
  { name: 'finds a waypoint by the address of its pod', mesh: [waypointPod, { ...webService, waypoint: { destination: { kind: 'address', network: '', ip: '10.0.0.9' }, hboneMtlsPort: 15088 } }], to: [VIP, 80], expected: `waypoint hbone 10.0.0.9:15088 for ${VIP}:80 as waypoint` },
  { name: 'accepts the waypoint service’s further names', mesh: [{ ...waypointService, subjectAltNames: [spiffe('wp2')] }, waypointPod, { ...webService, waypoint: WAYPOINT }], to: [VIP, 80], expected: `waypoint hbone 10.0.0.9:15008 for ${VIP}:80 as wp2+waypoint` },
  { name: 'refuses when the waypoint is unknown', mesh: [web, { ...webService, waypoint: WAYPOINT }], to: [VIP, 80], expected: 'reject WAYPOINT_UNKNOWN' },
  { name: 'refuses when no waypoint pod is ready', mesh: [web, waypointService, { ...waypointPod, status: 'unhealthy' }, { ...webService, waypoint: WAYPOINT }], to: [VIP, 80], expected: 'reject WAYPOINT_UNKNOWN' },
  { name: 'refuses when the waypoint is on another network', mesh: [waypointService, { ...waypointPod, network: 'far' }, { ...webService, waypoint: WAYPOINT }], to: [VIP, 80], expected: 'reject NETWORK_GATEWAY_UNSUPPORTED' },
  { name: 'takes a waypoint pod with an application tunnel for a port its service lacks', mesh: [{ ...waypointService, ports: [] }, { ...waypointPod, services: { 'shop/waypoint': [] }, applicationTunnel: { protocol: 'proxy', port: 15088 } }, { ...webService, waypoint: WAYPOINT }], to: [VIP, 80], expected: throughWaypoint },
  { name: 'sends a passthrough service with a waypoint to the waypoint', mesh: [waypointService, waypointPod, { ...webService, waypoint: WAYPOINT, loadBalancing: { routingPreference: [], mode: 'passthrough', healthPolicy: 'allow-all' } }], to: [VIP, 80], expected: throughWaypoint },
  { name: 'never uses the waypoint of the source', mesh: [web, webService, waypointService, waypointPod], to: [VIP, 80], over: { source: { ...client, waypoint: WAYPOINT } }, expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web' },

  // Waypoints of workloads.
  { name: 'sends pod traffic to the pod’s waypoint', mesh: [{ ...web, waypoint: WAYPOINT }, waypointService, waypointPod], to: ['10.0.0.2', 8080], expected: 'waypoint hbone 10.0.0.9:15008 for 10.0.0.2:8080 as waypoint' },
  { name: 'never uses a pod’s waypoint for service traffic', mesh: [{ ...web, waypoint: WAYPOINT }, webService, waypointService, waypointPod], to: [VIP, 80], expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web' },
  { name: 'lets the waypoint itself go to its pod', mesh: [{ ...web, waypoint: WAYPOINT }, waypointService, waypointPod], to: ['10.0.0.2', 8080], over: { source: waypointPod, sourceIp: '10.0.0.9' }, expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web' },
  { name: 'does not believe the waypoint’s identity from another address', mesh: [{ ...web, waypoint: WAYPOINT }, waypointService, waypointPod], to: ['10.0.0.2', 8080], over: { source: waypointPod, sourceIp: '10.0.0.66' }, expected: 'waypoint hbone 10.0.0.9:15008 for 10.0.0.2:8080 as waypoint' },
  { name: 'does not believe the waypoint’s address from another identity', mesh: [{ ...web, waypoint: WAYPOINT }, waypointService, waypointPod], to: ['10.0.0.2', 8080], over: { sourceIp: '10.0.0.9' }, expected: 'waypoint hbone 10.0.0.9:15008 for 10.0.0.2:8080 as waypoint' },
  { name: 'refuses when a pod’s waypoint is unknown', mesh: [{ ...web, waypoint: WAYPOINT }], to: ['10.0.0.2', 8080], expected: 'reject WAYPOINT_UNKNOWN' },

  // Networks.
  { name: 'looks up pods on the source’s network', mesh: [pod('far', { addresses: ['10.0.0.2'], network: 'far', serviceAccount: 'far' })], to: ['10.0.0.2', 80], over: { source: { ...client, network: 'far' }, network: 'far' }, expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:80 as far' },
]

test.each(rows)('resolveDestination() $name', ({ mesh: parts, to: [ip, portNumber], over, expected }) => {
  expect(brief(dial(mesh(...parts), ip, portNumber, over))).toBe(expected)
})

test('resolveDestination() names service and workload for telemetry', () => {
  const direct = dial(mesh(web, webService), VIP, 80)
  expect(direct).toMatchObject({ destinationService: { hostname: 'web' }, destinationWorkload: { name: 'web' } })
  const through = dial(mesh(web, waypointService, waypointPod, { ...webService, waypoint: WAYPOINT }), VIP, 80)
  expect(through).toMatchObject({ destinationService: { hostname: 'web' }, destinationWorkload: { name: 'waypoint-1' } })
})

test.each([
  { name: 'no endpoint', snapshot: mesh(webService), detail: `no healthy upstream: ${VIP}:80 (shop/web)` },
  { name: 'no waypoint', snapshot: mesh({ ...webService, waypoint: WAYPOINT }), detail: 'unknown waypoint: shop/waypoint' },
])('resolveDestination() says what is missing: $name', ({ snapshot, detail }) => expect(dial(snapshot, VIP, 80)).toMatchObject({ kind: 'reject', detail }))

test('resolveDestination() shares connections among weighted waypoints by weight, and not otherwise', () => {
  const toward = (ip: string, weight: number) => ({ destination: { destination: { kind: 'address' as const, network: '', ip }, hboneMtlsPort: 15008 }, weight })
  const other = pod('other', { addresses: ['10.0.0.8'] })
  const hop = (float: number, weights: readonly [number, number]): string => {
    const weighted = { ...webService, waypoint: WAYPOINT, weightedWaypoints: [toward('10.0.0.9', weights[0]), toward('10.0.0.8', weights[1])] }
    const route = dial(mesh(waypointPod, other, weighted, { ...waypointService, hostname: 'x' }), VIP, 80, { random: { float: () => float } })
    return route.kind === 'hbone' ? route.nextHop.ip : brief(route)
  }
  expect([hop(0, [3, 1]), hop(0.74, [3, 1]), hop(0.76, [3, 1]), hop(0.999, [0, 1])]).toEqual(['10.0.0.9', '10.0.0.9', '10.0.0.8', '10.0.0.8'])
  expect(hop(0.5, [0, 0])).toBe('reject WAYPOINT_UNKNOWN') // falls back to the single one, which nobody serves here
})

const places = {
  node: { node: 'n1', locality: client.locality },
  zone: { node: 'n2', locality: client.locality },
  region: { node: 'n3', locality: { region: 'r', zone: 'other', subzone: 's' } },
  far: { node: 'n4', locality: { region: 'other', zone: 'z', subzone: 's' } },
}

test.each([
  { preference: ['region', 'zone', 'subzone', 'node'], mode: 'failover', endpoints: ['far', 'region', 'zone', 'node'], expected: ['node'] },
  { preference: ['region', 'zone', 'subzone', 'node'], mode: 'failover', endpoints: ['far', 'region', 'zone'], expected: ['zone'] },
  { preference: ['region', 'zone'], mode: 'failover', endpoints: ['far', 'region'], expected: ['region'] },
  { preference: ['region', 'zone'], mode: 'failover', endpoints: ['far'], expected: ['far'] },
  { preference: ['region', 'zone'], mode: 'failover', endpoints: ['zone', 'node', 'far'], expected: ['node', 'zone'] },
  { preference: ['node'], mode: 'strict', endpoints: ['far', 'zone', 'node'], expected: ['node'] },
  { preference: ['node'], mode: 'strict', endpoints: ['far', 'zone'], expected: [] },
  { preference: [], mode: 'strict', endpoints: ['far', 'zone'], expected: ['far', 'zone'] },
  { preference: ['node'], mode: 'unspecified', endpoints: ['far', 'node'], expected: ['far', 'node'] },
] as const)('resolveDestination() with $mode $preference picks $expected of $endpoints', ({ preference, mode, endpoints, expected }) => {
  const pods = endpoints.map((place, i) => pod(place, { addresses: [`10.1.0.${i}`], ...places[place], ...serves('web', [80, 80]) }))
  const snapshot = mesh({ ...webService, loadBalancing: { routingPreference: preference, mode, healthPolicy: 'only-healthy' } }, ...pods)
  const seen = new Set<string>()
  for (let i = 0; i < 20; i++) {
    const route = dial(snapshot, VIP, 80, { random: { float: () => i / 20 } })
    if (route.kind !== 'reject') seen.add(route.destinationWorkload?.name ?? '')
  }
  expect([...seen].sort()).toEqual(expected)
})

test('resolveDestination() with NETWORK first prefers any endpoint of its own network, then the nearest of the others', () => {
  const remote = { network: 'far', addresses: [], networkGateway: { destination: { kind: 'address' as const, network: 'far', ip: '9.9.9.9' }, hboneMtlsPort: 15008 } }
  const near = pod('remote-near', { ...remote, ...places.node, ...serves('web', [80, 80]) })
  const away = pod('remote-away', { ...remote, ...places.far, ...serves('web', [80, 80]) })
  const own = pod('own', { addresses: ['10.1.0.1'], ...places.far, ...serves('web', [80, 80]) })
  const preferNetwork = { ...webService, loadBalancing: { routingPreference: ['network', 'region', 'zone'], mode: 'failover', healthPolicy: 'only-healthy' } } as const
  expect(brief(dial(mesh(preferNetwork, near, own), VIP, 80))).toBe('hbone 10.1.0.1:15008 for 10.1.0.1:80 as default')
  expect(dial(mesh(preferNetwork, away, near), VIP, 80)).toMatchObject({ reason: 'NETWORK_GATEWAY_UNSUPPORTED', detail: expect.stringContaining('remote-near') })
})

test('resolveDestination() spreads connections by capacity', () => {
  const pods = [1, 3, 6].map((capacity, i) => pod(`p${i}`, { addresses: [`10.1.0.${i}`], capacity, ...serves('web', [80, 80]) }))
  const snapshot = mesh(webService, ...pods)
  const counts: Record<string, number> = {}
  for (let i = 0; i < 1000; i++) {
    const route = dial(snapshot, VIP, 80, { random: { float: () => i / 1000 } })
    if (route.kind !== 'reject') counts[route.destinationWorkload?.name ?? ''] = (counts[route.destinationWorkload?.name ?? ''] ?? 0) + 1
  }
  expect(counts).toEqual({ p0: 100, p1: 300, p2: 600 })
})

test('resolveDestination() never picks what a fresh look at the endpoints would not, whatever came before', () => {
  const states = fc.array(fc.record({ i: fc.nat(5), status: fc.constantFrom('healthy' as const, 'unhealthy' as const), capacity: fc.nat(2), member: fc.boolean() }), { maxLength: 30 })
  fc.assert(
    fc.property(states, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (steps, float) => {
      const snapshot = mesh(webService)
      const now = new Map<string, Workload>()
      for (const { i, status, capacity, member } of steps) {
        const one = pod(`p${i}`, { addresses: [`10.1.0.${i}`], status, capacity, ...(member ? serves('web', [80, 80]) : {}) })
        now.set(one.uid, one)
        snapshot.apply({ addresses: { upserts: [{ kind: 'workload', workload: one }], removed: [] }, policies: { upserts: [], removed: [] } })
        const fit = [...now.values()].filter((w) => w.status === 'healthy' && w.capacity > 0 && Object.keys(w.services).length > 0)
        const route = dial(snapshot, VIP, 80, { random: { float: () => float } })
        if (fit.length === 0) expect(brief(route)).toBe('reject NO_HEALTHY_UPSTREAM')
        else expect(fit).toContain(route.kind === 'reject' ? route : route.destinationWorkload)
      }
    }),
  )
})
