/** Traffic through waypoints: foreign ones that speak HBONE, and a sandwiched one that speaks PROXY. */
import { once } from 'node:events'
import http2 from 'node:http2'
import type { Socket } from 'node:net'
import { decodeProxyHeader } from '@ambient/hbone'
import type { GatewayAddress, Workload } from '@ambient/model'
import { requireRoot } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { echoTunnel, type HbonePeer, serveHbonePeer } from './hbone-peer.ts'
import { at, pod, port, serves, service } from './mesh-fixture.ts'
import { openPods, outcomeOf, textOf } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const VIP = '10.96.0.1'
const named = (hostname: string): GatewayAddress => ({
  destination: { kind: 'hostname', namespace: 'shop', hostname },
  hboneMtlsPort: 15_008,
})
const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client' })
const web = pod('web', { addresses: ['10.0.0.2'], serviceAccount: 'web', ...serves('web', [80, 8080]) })
const webService = service('web', { addresses: [at(VIP)], ports: [port(80, 8080)] })
const waypointOf = (n: 1 | 2, hostname: string): Workload =>
  pod(`waypoint-${n}`, {
    addresses: [`10.0.0.${n + 2}`],
    serviceAccount: 'waypoint',
    ...serves(hostname, [15_008, 15_008]),
  })
const waypoint = service('waypoint', { ports: [port(15_008, 15_008)] })
const canary = service('canary', { ports: [port(15_008, 15_008)] })

let pods: Awaited<ReturnType<typeof open>>
let mesh: TestMesh
const peers: HbonePeer[] = []

async function open() {
  return openPods([
    { name: 'client', ip: '10.0.0.1', redirected: true },
    { name: 'web', ip: '10.0.0.2', redirected: true },
    { name: 'waypoint1', ip: '10.0.0.3' },
    { name: 'waypoint2', ip: '10.0.0.4' },
    { name: 'sandwich', ip: '10.0.0.5', redirected: true },
  ])
}

beforeAll(async () => {
  pods = await open()
  mesh = await TestMesh.open()
  await mesh.enrol(pods.client, client)
  await mesh.enrol(pods.web, web)
})
afterAll(() => {
  mesh[Symbol.dispose]()
  pods[Symbol.dispose]()
})
afterEach(() => {
  for (const peer of peers.splice(0)) peer.close()
  mesh.forget(waypointOf(1, 'waypoint'), waypointOf(2, 'waypoint'))
  mesh.know(web, webService)
  mesh.lines.length = 0
})

async function waypointAt(n: 1 | 2, onTunnel: Parameters<typeof serveHbonePeer>[2]): Promise<HbonePeer> {
  const certificate = await mesh.certificate(waypointOf(n, 'waypoint'))
  const peer = serveHbonePeer(n === 1 ? pods.waypoint1 : pods.waypoint2, certificate, onTunnel)
  peers.push(peer)
  return peer
}

async function dial(ip: string, toPort: number): Promise<Socket> {
  return pods.client.dial(mesh.loop, ip, toPort)
}

async function say(text: string, ip = VIP, toPort = 80): Promise<string> {
  const socket = await dial(ip, toPort)
  socket.end(text)
  return textOf(socket)
}

test('service traffic goes to the service’s waypoint, for the address that was dialled', async () => {
  const peer = await waypointAt(1, echoTunnel)
  mesh.know({ ...webService, waypoint: named('waypoint') }, waypoint, waypointOf(1, 'waypoint'))
  expect(await say('to the service')).toBe('to the service')
  expect(peer.requests).toMatchObject([{ authority: `${VIP}:80` }])
  await mesh.logged('connection complete', {
    'dst.addr': '10.0.0.3:15008',
    'dst.hbone_addr': `${VIP}:80`,
    'dst.service': 'web',
    'dst.workload': 'waypoint-1',
  })
})

test('traffic to a pod goes to the pod’s waypoint', async () => {
  const peer = await waypointAt(1, echoTunnel)
  mesh.know({ ...web, waypoint: named('waypoint') }, waypoint, waypointOf(1, 'waypoint'))
  expect(await say('to the pod', '10.0.0.2', 8080)).toBe('to the pod')
  expect(peer.requests).toMatchObject([{ authority: '10.0.0.2:8080' }])
})

test('weighted waypoints each get their share', async () => {
  const [one, two] = [await waypointAt(1, echoTunnel), await waypointAt(2, echoTunnel)]
  mesh.know(
    {
      ...webService,
      waypoint: named('waypoint'),
      weightedWaypoints: [
        { destination: named('waypoint'), weight: 1 },
        { destination: named('canary'), weight: 1 },
      ],
    },
    waypoint,
    canary,
    waypointOf(1, 'waypoint'),
    waypointOf(2, 'canary'),
  )
  for (let i = 0; i < 40; i++) expect(await say('x')).toBe('x')
  // Neither gets none but once in 2 to the 39.
  expect(one.requests.length).toBeGreaterThan(0)
  expect(two.requests.length).toBeGreaterThan(0)
  expect(one.requests.length + two.requests.length).toBe(40)
})

test('a waypoint that refuses the stream is tried again, one that cannot be reached is left for the other', async () => {
  let refusals = 0
  await waypointAt(1, (stream) => {
    if (++refusals > 1) return echoTunnel(stream)
    stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
  })
  const heavy = { ...waypointOf(2, 'waypoint'), capacity: 1_000_000_000 }
  mesh.know({ ...webService, waypoint: named('waypoint') }, waypoint, waypointOf(1, 'waypoint'), heavy)
  expect(await say('at last')).toBe('at last')
  await mesh.logged('connection rerouted', { 'dst.workload': 'waypoint-2', reason: 'CONNECT_FAILED' })
  expect(refusals).toBe(2)
})

test.each([
  { who: 'a waypoint', code: http2.constants.NGHTTP2_CONNECT_ERROR, expected: 'end' },
  { who: 'a waypoint', code: http2.constants.NGHTTP2_INTERNAL_ERROR, expected: 'ECONNRESET' },
  { who: 'an endpoint', code: http2.constants.NGHTTP2_CONNECT_ERROR, expected: 'ECONNRESET' },
])('a reset with code $code by $who comes to the app, after all data, as $expected', async (row) => {
  const peer = await waypointAt(1, (stream) => {
    stream.respond({ ':status': 200 })
    stream.write('all of it')
    stream.once('data', () => peer.reset(stream, row.code))
  })
  const hop = waypointOf(1, 'waypoint')
  if (row.who === 'a waypoint') mesh.know({ ...webService, waypoint: named('waypoint') }, waypoint, hop)
  else mesh.know(hop)
  const socket = await (row.who === 'a waypoint' ? dial(VIP, 80) : dial('10.0.0.3', 8080))
  expect(String(await once(socket, 'data'))).toBe('all of it')
  const outcome = outcomeOf(socket)
  socket.write('now')
  expect(await outcome).toBe(row.expected)
})

test('without a waypoint that can be resolved the connection fails, and does not go direct', async () => {
  pods.web.listen(8080)
  mesh.know({ ...webService, waypoint: named('waypoint') })
  expect(await outcomeOf(await dial(VIP, 80))).toBe('ECONNRESET')
  await mesh.logged('connection failed', {
    reason: 'WAYPOINT_UNKNOWN',
    error: 'unknown waypoint: shop/waypoint',
  })
})

test('a sandwiched waypoint is told who calls by PROXY, and what it dials itself goes to the pod', async () => {
  const proxy = pod('proxy', {
    addresses: ['10.0.0.5'],
    serviceAccount: 'waypoint',
    applicationTunnel: { protocol: 'proxy', port: 15_088 },
    ...serves('waypoint', [15_008, 15_008]),
  })
  await mesh.enrol(pods.sandwich, proxy)
  mesh.know({ ...web, waypoint: named('waypoint') }, waypoint)
  const server = pods.web.listen(8081, (socket) => socket.end(`served ${socket.remoteAddress}`))
  const heard: string[] = []
  pods.sandwich.listen(15_088, (downstream) => {
    void passOn(downstream, heard)
  })
  // Asked for the pod, whose waypoint it is: the client's ztunnel sends it to the sandwich, whose ztunnel does not.
  expect(await say('', '10.0.0.2', 8081)).toBe('served ::ffff:10.0.0.5')
  expect(heard).toEqual(['10.0.0.1 for 10.0.0.2:8081 as spiffe://cluster.local/ns/shop/sa/client'])
  await mesh.logged('connection complete', { direction: 'inbound', 'dst.hbone_addr': '10.0.0.2:8081' })
  server.close()
})

test('after all that no exception was contained', () => expect(mesh.faults).toEqual([]))

/** What a third party's proxy does: read the PROXY header, dial what was asked for, pass on the rest. */
async function passOn(downstream: Socket, heard: string[]): Promise<void> {
  let head: Buffer = Buffer.alloc(0)
  let header = decodeProxyHeader(head)
  while (header.kind === 'need') {
    const [part] = (await once(downstream, 'data')) as [Buffer]
    head = Buffer.concat([head, part])
    header = decodeProxyHeader(head)
  }
  downstream.pause()
  const { addresses, tlvs } = header.value
  if (addresses === undefined) throw new Error('a PROXY header with addresses was expected')
  const { source, destination } = addresses
  heard.push(`${source.ip} for ${destination.ip}:${destination.port} as ${String(tlvs[0]?.value)}`)
  const upstream = await pods.sandwich.dial(mesh.loop, destination.ip, destination.port)
  downstream.unshift(head.subarray(header.consumed))
  downstream.pipe(upstream).pipe(downstream)
}
