/**
 * Two networks: a client's ztunnel, a foreign gateway that passes on bytes, and the ztunnel of the other network, each
 * with what its own control plane would tell it.
 */
import type { GatewayAddress, Workload } from '@ambient/model'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type HbonePeer, type HboneRequest, serveHbonePeer } from './hbone-peer.ts'
import { at, pod, port, serves, service } from './mesh-fixture.ts'
import { echo, openPods, outcomeOf, textOf } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const VIP = '10.96.0.1'
const GATEWAY: GatewayAddress = {
  destination: { kind: 'address', network: 'west', ip: '10.0.0.2' },
  hboneMtlsPort: 15_008,
}
const spiffe = (account: string): string => `spiffe://cluster.local/ns/shop/sa/${account}`
const client = pod('client', {
  addresses: ['10.0.0.1'],
  network: 'east',
  serviceAccount: 'client',
  workloadName: 'client-deploy',
  canonicalName: 'client',
  clusterId: 'c-east',
})
const gateway = pod('gateway', { addresses: ['10.0.0.2'], network: 'west', serviceAccount: 'gateway' })
const beyond = pod('beyond', { network: 'west', networkGateway: GATEWAY, ...serves('web', [80, 0]) })
/** As the other network knows it. */
const web = pod('web', {
  addresses: ['10.0.0.3'],
  network: 'west',
  serviceAccount: 'web',
  workloadName: 'web-deploy',
  canonicalName: 'web',
  clusterId: 'c-west',
  ...serves('web', [80, 8080]),
})
const webService = service('web', {
  addresses: [at(VIP)].map((address) => ({ ...address, network: 'east' })),
  ports: [port(80, 8080)],
  subjectAltNames: [spiffe('web')],
})

let pods: Awaited<ReturnType<typeof open>>
let east: TestMesh
let west: TestMesh
let peer: HbonePeer
/** What the gateway answers, if not by passing on. */
const refusal = { status: 0 }

async function open() {
  return openPods([
    { name: 'client', ip: '10.0.0.1', redirected: true },
    { name: 'gateway', ip: '10.0.0.2' },
    { name: 'web', ip: '10.0.0.3', redirected: true },
    { name: 'local', ip: '10.0.0.4', redirected: true },
  ])
}

beforeAll(async () => {
  pods = await open()
  east = await TestMesh.open({ network: 'east' })
  west = await TestMesh.open({ network: 'west' }, { ca: east.ca })
  east.know(gateway, beyond, webService)
  west.know(webService)
  await east.enrol(pods.client, client)
  await west.enrol(pods.web, web)
  peer = serveHbonePeer(pods.gateway, await east.certificate(gateway), passOn)
})
afterAll(() => {
  peer.close()
  east[Symbol.dispose]()
  west[Symbol.dispose]()
  pods[Symbol.dispose]()
})
beforeEach(() => {
  pods.web.listen(8080, echo)
})
afterEach(() => {
  pods.web.closeServers()
  refusal.status = 0
  east.know(webService)
  for (const mesh of [east, west]) mesh.lines.length = 0
})

/** What a gateway does: the name says which network and service; the bytes inside are not its business. */
function passOn(
  stream: Parameters<Parameters<typeof serveHbonePeer>[2]>[0],
  { authority }: HboneRequest,
): void {
  if (refusal.status !== 0) return stream.respond({ ':status': refusal.status }, { endStream: true })
  if (authority !== 'web:80') return stream.respond({ ':status': 404 }, { endStream: true })
  void pods.gateway.dial(west.loop, '10.0.0.3', 15_008).then((upstream) => {
    stream.respond({ ':status': 200 })
    stream.pipe(upstream).pipe(stream)
  })
}

async function say(text: string): Promise<string> {
  const socket = await pods.client.dial(east.loop, VIP, 80)
  socket.end(text)
  return textOf(socket)
}

test('a service on another network is reached through its gateway, which sees no byte in the clear', async () => {
  expect(await say('over there')).toBe('over there')
  expect(peer.requests.at(-1)).toMatchObject({ authority: 'web:80', caller: spiffe('client') })
  expect(peer.requests.at(-1)?.headers).not.toHaveProperty('x-forwarded-network')
  // The client's node: the gateway is the next hop, the pod beyond it the destination.
  await east.logged('connection complete', {
    'dst.addr': '10.0.0.2:15008',
    'dst.hbone_addr': 'web:80',
    'dst.service': 'web',
    'dst.workload': 'web-deploy',
    'dst.identity': spiffe('web'),
    'dst.cluster': 'c-west',
    bytes_sent: 10,
    bytes_recv: 10,
  })
  // The server's node: the address is the gateway's, so the client is known by what it says and proves.
  await west.logged('connection complete', {
    direction: 'inbound',
    'src.workload': 'client',
    'src.identity': spiffe('client'),
    'src.cluster': 'c-east',
    'dst.hbone_addr': 'web:80',
    'dst.service': 'web',
  })
})

test('the tunnel to the gateway is shared, the one inside is not', async () => {
  await say('one more')
  const { connections } = peer
  const inner = () => peer.requests.length
  const before = inner()
  for (let i = 0; i < 5; i++) expect(await say(`${i}`)).toBe(`${i}`)
  expect([peer.connections - connections, inner() - before]).toEqual([0, 5])
})

test('a megabyte comes through whole, and a half-close is kept', async () => {
  const text = 'x'.repeat(1_000_000)
  expect(await say(text)).toBe(text)
})

test('inside only the service’s own names are accepted, not the gateway’s and not the endpoint’s', async () => {
  east.know({ ...webService, subjectAltNames: [spiffe('gateway'), spiffe('another')] })
  expect(await outcomeOf(await pods.client.dial(east.loop, VIP, 80))).toBe('ECONNRESET')
  await east.logged('connection complete', { reason: 'PEER_IDENTITY_MISMATCH', 'dst.workload': 'gateway' })
})

test('what the gateway answers is final if it is a 4xx', async () => {
  refusal.status = 404
  expect(await outcomeOf(await pods.client.dial(east.loop, VIP, 80))).toBe('ECONNRESET')
  await east.logged('connection complete', { reason: 'HBONE_REFUSED', error: 'http status: 404' })
})

test('when the gateway fails, an endpoint of the own network serves', async () => {
  refusal.status = 503
  const local = pod('local', {
    addresses: ['10.0.0.4'],
    network: 'east',
    serviceAccount: 'web',
    ...serves('web', [80, 8080]),
  })
  const heavy: Workload = { ...beyond, uid: 'beyond-2', capacity: 1_000_000_000 }
  await east.enrol(pods.local, local)
  east.forget(beyond)
  east.know(heavy)
  pods.local.listen(8080, echo)
  expect(await say('at home')).toBe('at home')
  await east.logged('connection rerouted', { reason: 'HBONE_REFUSED', 'dst.workload': 'gateway' })
  await east.logged('connection complete', { 'dst.workload': 'local' })
  east.forget(heavy, local)
  east.know(beyond)
})

test('a pod that leaves beyond the gateway resets its client', async () => {
  const socket = await pods.client.dial(east.loop, VIP, 80)
  const outcome = outcomeOf(socket)
  socket.write('x')
  await waitFor('the echo', () => socket.bytesRead === 1)
  west.leave(pods.web)
  expect(await outcome).toBe('ECONNRESET')
})

test('after all that no exception was contained', () => expect([east.faults, west.faults]).toEqual([[], []]))
