/** What a pod's app dials, towards peers of node:http2 and plain apps: real namespaces, real redirect, real TLS. */
import http2 from 'node:http2'
import { hboneLimits } from '@ambient/hbone'
import type { Workload } from '@ambient/model'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { WorkerReport } from '../src/worker/messages.ts'
import { echoTunnel, type HbonePeer, serveHbonePeer } from './hbone-peer.ts'
import { at, pod, port, serves, service } from './mesh-fixture.ts'
import { outcomeOf, openPods, textOf } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const VIP = '10.96.0.1'
const PLAIN: Partial<Workload> = { tunnelProtocol: 'none' }
const CLIENT_ID = 'spiffe://cluster.local/ns/shop/sa/client'
const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client', canonicalName: 'client' })
const web = service('web', { addresses: [at(VIP)], ports: [port(80, 8080)] })

let pods: Awaited<ReturnType<typeof open>>
let mesh: TestMesh
let good: Workload
let peer: HbonePeer
const known: Workload[] = []

const questions: string[] = []

/** Plays the control thread's resolver. */
function resolve(report: WorkerReport): void {
  if (report.kind !== 'need-host') return
  const { hostname } = report
  questions.push(hostname)
  setImmediate(() =>
    mesh.plane.handle(
      hostname === 'db.example'
        ? { kind: 'host-resolved', hostname, addresses: ['fd00::4', '10.0.0.4'], ttlMs: 60_000 }
        : { kind: 'host-failed', hostname, detail: 'NXDOMAIN' },
    ),
  )
}

async function open() {
  return openPods([
    { name: 'client', ip: '10.0.0.1', redirected: true },
    { name: 'nobody', ip: '10.0.0.2' },
    { name: 'hole', ip: '10.0.0.3', droppedPort: 15_008 },
    { name: 'good', ip: '10.0.0.4' },
    { name: 'bad', ip: '10.0.0.5' },
  ])
}

beforeAll(async () => {
  pods = await open()
  await pods.hole.run('iptables -A INPUT -p tcp --dport 8080 -j DROP')
  mesh = await TestMesh.open({}, { limits: hboneLimits({ connectMs: 300 }), onReport: resolve })
  mesh.know(web)
  await mesh.enrol(pods.client, client)
  good = pod('good', { addresses: ['10.0.0.4'], serviceAccount: 'good', ...serves('web', [80, 8080]) })
  peer = serveHbonePeer(pods.good, await mesh.certificate(good), echoTunnel)
})
afterAll(() => {
  mesh[Symbol.dispose]()
  peer.close()
  pods[Symbol.dispose]()
})
afterEach(() => {
  mesh.forget(...known.splice(0))
  mesh.lines.length = 0
})

/** An endpoint of the service that no test before has met, and so nobody remembers as failing. */
function endpoint(where: { readonly ip: string; readonly over?: Partial<Workload> }): Workload {
  const made = pod(`endpoint-${++endpoints}`, {
    addresses: [where.ip],
    serviceAccount: 'good',
    ...serves('web', [80, 8080]),
    ...where.over,
  })
  known.push(made)
  mesh.know(made)
  return made
}
let endpoints = 0

/** Almost always drawn first: it weighs a billion times as much. */
const FIRST: Partial<Workload> = { capacity: 1_000_000_000 }

async function say(text: string, ip = VIP, toPort = 80): Promise<string> {
  const socket = await pods.client.dial(mesh.loop, ip, toPort)
  socket.end(text)
  return textOf(socket)
}

test('a tunnel says who calls and from where, and carries the bytes', async () => {
  const { name } = endpoint({ ip: '10.0.0.4' })
  expect(await say('hello')).toBe('hello')
  const request = peer.requests.at(-1)
  expect(request).toMatchObject({
    authority: '10.0.0.4:8080',
    caller: CLIENT_ID,
    headers: {
      baggage: 'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,service.name=client',
      forwarded: expect.stringMatching(/^for="10\.0\.0\.1:\d+";host=web$/) as unknown,
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/) as unknown,
    },
  })
  expect(request?.headers).not.toHaveProperty('x-forwarded-network')
  await mesh.logged('connection complete', { 'dst.workload': name, bytes_sent: 5, bytes_recv: 5 })
})

test.each([
  { name: 'nobody listens', ip: '10.0.0.2', reason: 'CONNECT_FAILED' },
  { name: 'packets are dropped', ip: '10.0.0.3', reason: 'HBONE_TIMEOUT' },
  {
    name: 'somebody else answers',
    ip: '10.0.0.4',
    over: { serviceAccount: 'another' },
    reason: 'PEER_IDENTITY_MISMATCH',
  },
  { name: 'packets are dropped, in the clear', ip: '10.0.0.3', over: PLAIN, reason: 'CONNECT_TIMEOUT' },
  { name: 'nobody listens, in the clear', ip: '10.0.0.2', over: PLAIN, reason: 'CONNECT_FAILED' },
])('where $name, the next endpoint serves, and the first is left alone', async ({ ip, over, reason }) => {
  const retries = () => mesh.counted('ambient_upstream_retries_total', reason)
  const before = retries()
  const unlucky = endpoint({ ip, over: { ...FIRST, ...over } })
  const lucky = endpoint({ ip: '10.0.0.4' })
  expect(await say('one')).toBe('one')
  await mesh.logged('connection rerouted', { reason, 'dst.workload': unlucky.name })
  await mesh.logged('connection complete', { 'dst.workload': lucky.name, 'dst.addr': '10.0.0.4:15008' })
  expect(await say('two')).toBe('two')
  await mesh.logged('connection complete', { 'dst.workload': lucky.name })
  expect(mesh.lines.filter(({ message }) => message === 'connection rerouted')).toEqual([])
  await waitFor('the report', () => retries() === before + 1)
})

test('an endpoint whose app is down is left for another, a policy’s refusal is final', async () => {
  const answers = new Map([
    ['10.0.0.5:8080', 503],
    ['10.0.0.5:8081', 401],
  ])
  const server = await peerAt('bad', (stream, { authority }) =>
    stream.respond({ ':status': answers.get(authority) ?? 500 }, { endStream: true }),
  )
  endpoint({ ip: '10.0.0.5', over: FIRST })
  endpoint({ ip: '10.0.0.4' })
  expect(await say('again')).toBe('again')
  await mesh.logged('connection rerouted', { reason: 'HBONE_REFUSED', error: 'http status: 503' })
  endpoint({ ip: '10.0.0.5', over: { ...FIRST, ...serves('web', [80, 8081]) } })
  expect(await outcomeOf(await pods.client.dial(mesh.loop, VIP, 80))).toBe('ECONNRESET')
  await mesh.logged('connection complete', { reason: 'HBONE_REFUSED', error: 'http status: 401' })
  server.close()
})

test('a stream that is refused goes to another session of the same peer', async () => {
  let refusals = 0
  const server = await peerAt('bad', (stream) => {
    if (++refusals > 1) return echoTunnel(stream)
    stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
  })
  endpoint({ ip: '10.0.0.5' })
  expect(await say('once more')).toBe('once more')
  expect(server.requests).toHaveLength(2)
  server.close()
})

test('a pooled session that has died is replaced, and nobody notices', async () => {
  const server = await peerAt('bad', echoTunnel)
  endpoint({ ip: '10.0.0.5' })
  expect(await say('first')).toBe('first')
  server.dropWhenAsked()
  expect(await say('second')).toBe('second')
  expect(server.connections).toBe(2)
  server.close()
})

test('a peer that hangs up instead of an answer, again and again, is told of as such', async () => {
  const server = await peerAt('bad', ({ session }) => session?.destroy())
  endpoint({ ip: '10.0.0.5' })
  expect(await outcomeOf(await pods.client.dial(mesh.loop, VIP, 80))).toBe('ECONNRESET')
  await mesh.logged('connection complete', { reason: 'SESSION_LOST' })
  server.close()
})

test('after three tries the app is reset, with the last reason', async () => {
  for (let i = 0; i < 5; i++) endpoint({ ip: '10.0.0.2' })
  expect(await outcomeOf(await pods.client.dial(mesh.loop, VIP, 80))).toBe('ECONNRESET')
  await mesh.logged('connection complete', { reason: 'CONNECT_FAILED' })
})

test('connections that wait for one dial share its failure, and the dial is not repeated', async () => {
  endpoint({ ip: '10.0.0.3' })
  const sockets = await Promise.all(Array.from({ length: 8 }, () => pods.client.dial(mesh.loop, VIP, 80)))
  const startedMs = performance.now()
  expect(new Set(await Promise.all(sockets.map(outcomeOf)))).toEqual(new Set(['ECONNRESET']))
  // One after the other they would take eight times 300 ms.
  expect(performance.now() - startedMs).toBeLessThan(1800)
})

test('an app that gives up while its upstream is dialled is let go at once', async () => {
  endpoint({ ip: '10.0.0.3' })
  const socket = await pods.client.dial(mesh.loop, VIP, 80)
  await waitFor('the connection to be open', () => connectionCount() === 1)
  socket.resetAndDestroy()
  const line = await mesh.logged('connection complete', { direction: 'outbound' })
  expect(Number.parseInt(String(line['duration']), 10)).toBeLessThan(300)
})

test('an endpoint known by host name is dialled at an address of it, and asked for once', async () => {
  endpoint({ ip: '10.0.0.4', over: { addresses: [], hostname: 'db.example' } })
  expect(await Promise.all(['a', 'b', 'c'].map((text) => say(text)))).toEqual(['a', 'b', 'c'])
  expect(await say('d')).toBe('d')
  expect(questions).toEqual(['db.example'])
  await mesh.logged('connection complete', { 'dst.hbone_addr': '10.0.0.4:8080' })
  await waitFor(
    'the count',
    () =>
      mesh.counts
        .filter(
          ({ metric, labels }) => metric === 'istio_on_demand_dns_total' && labels.at(-1) === 'db.example',
        )
        .reduce((sum, { amount }) => sum + amount, 0) === 4,
  )
})

test('an endpoint whose host name is not resolved is left for another', async () => {
  endpoint({ ip: '', over: { ...FIRST, addresses: [], hostname: 'gone.example' } })
  const { name } = endpoint({ ip: '10.0.0.4' })
  expect(await say('still')).toBe('still')
  await mesh.logged('connection complete', { 'dst.workload': name })
  await waitFor(
    'the count',
    () => mesh.counted('ambient_upstream_retries_total', 'WORKLOAD_ADDRESS_UNKNOWN') > 0,
  )
})

test('without another endpoint the app is reset, with what DNS said', async () => {
  endpoint({ ip: '', over: { addresses: [], hostname: 'gone.example' } })
  expect(await outcomeOf(await pods.client.dial(mesh.loop, VIP, 80))).toBe('ECONNRESET')
  await mesh.logged('connection failed', { reason: 'WORKLOAD_ADDRESS_UNKNOWN', error: 'NXDOMAIN' })
})

test('after all that no exception was contained', () => expect(mesh.faults).toEqual([]))

async function peerAt(name: 'bad', onTunnel: Parameters<typeof serveHbonePeer>[2]): Promise<HbonePeer> {
  return serveHbonePeer(pods[name], await mesh.certificate(good), onTunnel)
}

function connectionCount(): number {
  return mesh.lines.filter(({ message }) => message === 'connection opened').length
}
