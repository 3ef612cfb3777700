/** Workloads in ztunnel's own network namespace, with a mesh that is written down: the whole program. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { EventLoop } from '@ambient/event-loop'
import { parseSpiffeId } from '@ambient/spiffe'
import { keepTurning, requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dialHbone, echoTunnel, serveHbonePeer } from './hbone-peer.ts'
import { pod } from './mesh-fixture.ts'
import { echo, openPods, textOf } from './pod-net.ts'
import {
  openAuthority,
  START,
  startZtunnel,
  type TestAuthority,
  type ZtunnelProcess,
} from './ztunnel-process.ts'

requireRoot()

const MESH = `
workloads:
- { name: web, namespace: shop, serviceAccount: web, workloadIps: [10.0.0.1], protocol: HBONE }
- { name: node, namespace: shop, serviceAccount: node, workloadIps: [10.0.0.2], protocol: HBONE }
- { name: client, namespace: shop, serviceAccount: client, workloadIps: [10.0.0.3], protocol: HBONE, services: { shop/api: { 80: 8080 } } }
services:
- { name: api, namespace: shop, hostname: api, vips: [/10.96.0.1], ports: { 80: 8080 } }
policies:
- { name: closed, namespace: shop, scope: Namespace, action: Deny, rules: [[[{ destinationPorts: [8081] }]]] }
`
const DEDICATED = {
  LOCAL_XDS: MESH,
  PROXY_MODE: 'dedicated',
  PROXY_WORKLOAD_INFO: 'shop/web/web',
  // As a sidecar: the rules in front of it have to know its packets.
  PACKET_MARK: '1337',
}
const client = pod('client', { addresses: ['10.0.0.3'], serviceAccount: 'client' })
const webId = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')

const loop = new EventLoop({
  onFault: (_owner, cause) => {
    throw cause
  },
})
const turning = keepTurning(loop)
let pods: Awaited<ReturnType<typeof open>>
let authority: TestAuthority
let dedicated: ZtunnelProcess
let shared: ZtunnelProcess

async function open() {
  return openPods([
    { name: 'web', ip: '10.0.0.1', redirected: true },
    { name: 'node', ip: '10.0.0.2' },
    { name: 'client', ip: '10.0.0.3' },
    { name: 'busy', ip: '10.0.0.4' },
  ])
}

beforeAll(async () => {
  pods = await open()
  authority = await openAuthority(webId)
  for (const one of [pods.web, pods.node]) authority.offerTo(one)
  dedicated = startZtunnel(pods.web, authority, DEDICATED)
  shared = startZtunnel(pods.node, authority, {
    LOCAL_XDS: MESH,
    POD_NAME: 'node',
    POD_NAMESPACE: 'shop',
    SERVICE_ACCOUNT: 'node',
  })
  await dedicated.ready()
})
afterAll(async () => {
  await dedicated[Symbol.asyncDispose]()
  await shared[Symbol.asyncDispose]()
  await authority[Symbol.asyncDispose]()
  pods[Symbol.dispose]()
  turning[Symbol.dispose]()
  loop[Symbol.dispose]()
})

test('a dedicated proxy takes tunnels to its one workload, under an identity nobody is impersonated for', async () => {
  pods.web.listen(8080, echo)
  const certificate = await authority.certificate(client)
  using tunnels = await dialHbone({ pod: pods.client, loop }, '10.0.0.1', certificate)
  const { status, stream } = await tunnels.connect('10.0.0.1:8080')
  stream.end('hello')
  expect([status, await textOf(stream)]).toEqual([200, 'hello'])
  expect(authority.impersonated).toContain(undefined)
  expect((await tunnels.connect('10.0.0.1:8081')).status).toBe(401)
  await waitFor('both lines of the log', () => {
    const lines = [/direction="inbound".*bytes_recv=5/, /reason="POLICY_DENIED".*"shop\/closed"/]
    if (lines.every((line) => line.test(dedicated.said))) return true
    throw new Error(dedicated.said)
  })
})

test('a dedicated proxy carries what its workload sends', async () => {
  const peer = serveHbonePeer(pods.client, await authority.certificate(client), echoTunnel)
  const socket = await pods.web.dial(loop, '10.96.0.1', 80)
  socket.end('out')
  expect(await textOf(socket)).toBe('out')
  expect(peer.requests).toMatchObject([{ authority: '10.0.0.3:8080', caller: webId }])
  peer.close()
})

test('what is refused before there is a connection is counted by its reason', async () => {
  const certificate = await authority.certificate(client)
  using tunnels = await dialHbone({ pod: pods.client, loop }, '10.0.0.1', certificate)
  expect((await tunnels.connect('10.0.0.1:15001')).status).toBe(503)
  const counted = 'ambient_connections_refused_total{direction="inbound",reason="SELF_CALL"} 1\n'
  await waitFor('it to be counted', async () =>
    (await pods.web.run('curl -s http://127.0.0.1:15020/metrics')).includes(counted),
  )
})

test('the dump shows the mesh as it was written, and the workload', async () => {
  const dump: unknown = JSON.parse(await pods.web.run('curl -s http://127.0.0.1:15000/config_dump'))
  expect(dump).toMatchObject({
    staticConfig: { policies: [{ name: 'closed', action: 'Deny' }], services: [{ vips: ['/10.96.0.1'] }] },
    workloadState: { own: { state: 'Up', info: { name: 'web', namespace: 'shop', serviceAccount: 'web' } } },
  })
})

test('statistics come as the scraper asks for them', async () => {
  const scrape = (options: string) =>
    pods.web.run(`curl -sD - ${options} http://127.0.0.1:15020/stats/prometheus`)
  expect(await scrape('')).toMatch(/content-type: text\/plain[^]*\n# TYPE istio_xds_message_total counter\n/i)
  const openMetrics = await scrape("-H 'accept: application/openmetrics-text;version=1.0.0'")
  expect(openMetrics).toMatch(
    /content-type: application\/openmetrics-text[^]*\n# TYPE istio_xds_message counter\n[^]*\n# EOF\n$/i,
  )
  expect(await scrape("--compressed -H 'accept-encoding: gzip'")).toMatch(
    /content-encoding: gzip[^]*\n# TYPE istio_build gauge\n/i,
  )
})

test('profiles of every thread are there for the asking', async () => {
  const admin = (path: string) => pods.web.run(`curl -sw ' %{http_code}' 'http://127.0.0.1:15000${path}'`)
  const profile = async (path: string) =>
    gunzipSync(
      Buffer.from(await pods.web.run(`curl -sf 'http://127.0.0.1:15000${path}' | base64 -w 0`), 'base64'),
    ).toString('latin1')
  const time = await profile('/debug/pprof/profile?seconds=1&frequency=500')
  for (const text of ['control', 'ztunnel-0', 'wall', 'nanoseconds', 'worker.ts'])
    expect(time).toContain(text)
  expect(await admin('/debug/pprof/profile?seconds=301')).toMatch(/^seconds must be .* 400$/s)
  expect(await admin('/debug/pprof/heap')).toMatch(/ 503$/)
  expect(await admin('/debug/pprof/heap/profiling?activate=yes')).toMatch(/ 400$/)
  expect(await admin('/debug/pprof/heap/profiling?activate=true')).toBe('heap profiling is active\n 200')
  const heap = await profile('/debug/pprof/heap')
  for (const text of ['control', 'ztunnel-0', 'inuse_space', 'bytes']) expect(heap).toContain(text)
  expect(await admin('/debug/pprof/heap/profiling?activate=false')).toBe('heap profiling is not active\n 200')
  expect(await admin('/')).toContain('<a href="/debug/pprof/heap">')
})

test('levels of the log are changed while it runs, and go back to those of the start', async () => {
  const ask = (options: string, query = '') =>
    pods.web.run(`curl -sw '%{http_code}' ${options} 'http://127.0.0.1:15000/logging${query}'`)
  expect(await ask('-X POST')).toBe('current log level is info\n200')
  expect(await ask('-X POST', '?level=access=debug,warn')).toMatch(
    /^current log level is .*access=debug.*\n200$/,
  )
  expect(await ask('-X POST', '?level=access=loud')).toMatch(/usage: POST \/logging[^]*\n400$/)
  expect(await ask('-X POST', '?reset')).toBe('current log level is info\n200')
  expect(await ask('', '?level=debug')).toBe('405')
})

test('ztunnel’s own ports are reached through the mesh, under its own address', async () => {
  const callers: (string | undefined)[] = []
  pods.node.listen(8080, (socket: Socket) => {
    callers.push(socket.remoteAddress)
    socket.end()
  })
  await waitFor(
    'ztunnel to listen',
    async () => (await pods.node.run('ss -ltnH sport = :15008')) !== '',
    START,
  )
  const certificate = await authority.certificate(client)
  using tunnels = await dialHbone({ pod: pods.client, loop }, '10.0.0.2', certificate)
  const metrics = await tunnels.connect('10.0.0.2:15020')
  metrics.stream.end('GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n')
  expect(await textOf(metrics.stream)).toContain('istio_build')
  const other = await tunnels.connect('10.0.0.2:8080')
  expect([other.status, await textOf(other.stream)]).toEqual([200, ''])
  expect(callers).toEqual(['::ffff:10.0.0.2'])
  expect(authority.impersonated).toContain('spiffe://cluster.local/ns/shop/sa/node')
  // Nothing else listens: what is sent to its pod without a tunnel is not ours.
  expect(await pods.node.run('ss -ltnH "sport = :15001 or sport = :15006"')).toBe('')
})

test.each([
  {
    name: 'whose port is taken',
    env: DEDICATED,
    message: /cannot go on.*Cannot serve our own namespace.*15008/,
  },
  {
    name: 'whose mesh cannot be read',
    env: { LOCAL_XDS: 'workloads: [{}]' },
    message: /^ztunnel: Cannot read LOCAL_XDS: workloads\[0\].*\n$/,
  },
])('a proxy $name does not start', async ({ env, message }) => {
  const taken = pods.busy.listen(15_008)
  await using refused = startZtunnel(pods.busy, authority, env)
  await waitFor('it to exit', () => refused.exitCode !== null, START)
  expect([refused.exitCode, refused.said]).toEqual([1, expect.stringMatching(message)])
  taken.close()
  await once(taken, 'close')
})

test('a shutdown that is asked for tells HBONE peers to go, and ends with status 0', async () => {
  const ask = (method: string) =>
    pods.web.run(`curl -sw '%{http_code}' -X ${method} http://127.0.0.1:15000/quitquitquit`)
  expect(await ask('GET')).toBe('405')
  const certificate = await authority.certificate(client)
  using tunnels = await dialHbone({ pod: pods.client, loop }, '10.0.0.1', certificate)
  const toldToGo = once(tunnels.session, 'goaway')
  expect(await ask('POST')).toBe('shutdown now\n200')
  await toldToGo
  await waitFor('the process to end', () => dedicated.exitCode !== null)
  expect(dedicated.exitCode).toBe(0)
})
