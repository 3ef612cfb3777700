/** SOCKS5 in a pod: curl as a client that somebody else wrote, and clients of a few bytes for all that curl does not do. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { echoTunnel, type HbonePeer, serveHbonePeer } from './hbone-peer.ts'
import { at, pod, port, serves, service } from './mesh-fixture.ts'
import { echo, openPods, outcomeOf, textOf } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const VIP = '10.96.0.1'
const GREETING = Buffer.from([5, 1, 0])
const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client' })
const peerPod = pod('peer', { addresses: ['10.0.0.2'], serviceAccount: 'peer', ...serves('web', [80, 8080]) })
const web = service('web.shop.svc.cluster.local', { addresses: [at(VIP)], ports: [port(80, 8080)] })
const endpoint = { ...peerPod, services: { 'shop/web.shop.svc.cluster.local': [port(80, 8080)] } }

let pods: Awaited<ReturnType<typeof open>>
let mesh: TestMesh
let peer: HbonePeer
/** What the HBONE peer does before it answers. */
const delay = { answer: (go: () => void): void => go() }

async function open() {
  return openPods([
    { name: 'client', ip: '10.0.0.1', redirected: true },
    { name: 'peer', ip: '10.0.0.2' },
    { name: 'plain', ip: '10.0.0.3' },
  ])
}

beforeAll(async () => {
  pods = await open()
  mesh = await TestMesh.open({
    socks5: true,
    dns: {
      addresses: [{ ip: '127.0.0.1', port: 15_053 }],
      nameservers: [],
      clusterDomain: 'cluster.local',
      searchDomains: undefined,
      preferredNamespace: undefined,
    },
  })
  mesh.know(web, endpoint)
  await mesh.enrol(pods.client, client)
  peer = serveHbonePeer(pods.peer, await mesh.certificate(peerPod), (stream, request) => {
    if (request.authority.endsWith(':1')) return stream.respond({ ':status': 503 }, { endStream: true })
    delay.answer(() => echoTunnel(stream))
  })
  pods.plain.listen(8080, echo)
})
afterAll(() => {
  peer.close()
  mesh[Symbol.dispose]()
  pods[Symbol.dispose]()
})
beforeEach(() => {
  delay.answer = (go) => go()
  mesh.lines.length = 0
})

async function greet(): Promise<Socket> {
  const socket = await pods.client.dial(mesh.loop, '127.0.0.1', 15_080)
  socket.write(GREETING)
  expect(await read(socket)).toEqual([5, 0])
  return socket
}

async function read(socket: Socket): Promise<number[]> {
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  return [...bytes]
}

const toIp = (ip: string, toPort: number): Buffer =>
  Buffer.from([5, 1, 0, 1, ...ip.split('.').map(Number), toPort >> 8, toPort & 255])
const toName = (name: string, toPort: number): Buffer =>
  Buffer.concat([
    Buffer.from([5, 1, 0, 3, name.length]),
    Buffer.from(name),
    Buffer.from([toPort >> 8, toPort & 255]),
  ])

test.each([
  { name: 'a service by virtual IP', request: toIp(VIP, 80), by: 'HBONE' },
  { name: 'a service by its short name', request: toName('web', 80), by: 'HBONE' },
  { name: 'a pod by IP', request: toIp('10.0.0.2', 8080), by: 'HBONE' },
  { name: 'an address outside of the mesh', request: toIp('10.0.0.3', 8080), by: 'TCP' },
])('connects to $name over $by, and says so once it is', async ({ request, by }) => {
  const tunnels = peer.requests.length
  const socket = await greet()
  socket.write(request)
  expect(await read(socket)).toEqual([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  socket.end('hello')
  expect(await textOf(socket)).toBe('hello')
  expect(peer.requests.length - tunnels).toBe(by === 'HBONE' ? 1 : 0)
  await mesh.logged('connection complete', { direction: 'outbound', bytes_sent: 5, bytes_recv: 5 })
})

test('a client is not told of success before the upstream has answered', async () => {
  const asked = Promise.withResolvers<() => void>()
  delay.answer = asked.resolve
  const socket = await greet()
  const heard: Buffer[] = []
  socket.on('data', (part: Buffer) => heard.push(part))
  socket.write(toIp(VIP, 80))
  const go = await asked.promise
  expect(heard).toEqual([])
  go()
  await waitFor('the reply', () => heard.length > 0)
  expect(heard[0]?.[1]).toBe(0)
  socket.destroy()
})

test('bytes that a client sends too early are the upstream’s', async () => {
  const socket = await greet()
  socket.write(Buffer.concat([toIp(VIP, 80), Buffer.from('early')]))
  expect((await read(socket)).slice(0, 2)).toEqual([5, 0])
  socket.end()
  expect(await textOf(socket)).toBe('early')
})

test('a handshake comes through a byte at a time', async () => {
  const socket = await pods.client.dial(mesh.loop, '127.0.0.1', 15_080)
  const heard: number[] = []
  socket.on('data', (part: Buffer) => heard.push(...part))
  for (const byte of Buffer.concat([GREETING, toIp(VIP, 80)])) {
    socket.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await waitFor('both answers', () => heard.length === 12)
  expect(heard.slice(0, 4)).toEqual([5, 0, 5, 0])
  socket.destroy()
})

test.each([
  { name: 'nobody listens', request: toIp('10.0.0.3', 1), code: 5, reason: 'CONNECT_FAILED' },
  { name: 'the peer refuses', request: toIp('10.0.0.2', 1), code: 1, reason: 'HBONE_REFUSED' },
  { name: 'the service has no such port', request: toIp(VIP, 81), code: 4, reason: 'NO_HEALTHY_UPSTREAM' },
  {
    name: 'the name is unknown',
    request: toName('nobody.example', 80),
    code: 4,
    reason: 'WORKLOAD_ADDRESS_UNKNOWN',
  },
  { name: 'the port is our own', request: toIp('127.0.0.1', 15_080), code: 2, reason: 'SELF_CALL' },
  { name: 'the command is BIND', request: Buffer.from([5, 2, 0]), code: 7, reason: 'SOCKS_REQUEST_INVALID' },
])('says $code where $name, and hangs up', async ({ request, code, reason }) => {
  const socket = await greet()
  socket.write(request)
  expect((await read(socket))[1]).toBe(code)
  expect(await outcomeOf(socket)).toBe('end')
  await waitFor(`a line with ${reason}`, () => mesh.lines.some(({ fields }) => fields['reason'] === reason))
})

test('a client that goes away before it has said anything is let go', async () => {
  const socket = await pods.client.dial(mesh.loop, '127.0.0.1', 15_080)
  socket.destroy()
  await mesh.logged('connection failed', { reason: 'DOWNSTREAM_CLOSED' })
})

test.each(['--socks5', '--socks5-hostname'])('curl gets through with %s', async (option) => {
  const server = pods.plain.listen(80, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello'))
  })
  await pods.client.run(`test "$(curl -sS --noproxy '' ${option} 127.0.0.1:15080 http://10.0.0.3/)" = hello`)
  server.close()
})

test('the port is open to the pod’s own apps only', async () => {
  const socket = await pods.plain.dial(mesh.loop, '10.0.0.1', 15_080)
  expect(await outcomeOf(socket)).toBe('ECONNRESET')
  await mesh.logged('connection failed', { direction: 'inbound', reason: 'SELF_CALL' })
})

test('after all that no exception was contained', () => expect(mesh.faults).toEqual([]))
