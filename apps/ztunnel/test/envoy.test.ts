/** An unmodified Envoy at either end of a tunnel, and as the waypoint of a service and of a pod; curl, nghttp and h2load as apps. */
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { GatewayAddress } from '@ambient/model'
import { installExtras, requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  clientConfiguration,
  ENVOY_ENTRANCE,
  serverConfiguration,
  waypointConfiguration,
} from './envoy-configuration.ts'
import { startEnvoy, writeCertificate } from './envoy-process.ts'
import { at, pod, port, serves, service } from './mesh-fixture.ts'
import { openPods, outcomeOf, textOf } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const VIP = '10.96.0.1'
const INSTALL_MS = 600_000
const spiffe = (account: string): string => `spiffe://cluster.local/ns/shop/sa/${account}`
const byWaypoint: GatewayAddress = {
  destination: { kind: 'hostname', namespace: 'shop', hostname: 'waypoint' },
  hboneMtlsPort: 15_008,
}
const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client' })
const other = pod('other', { addresses: ['10.0.0.6'], serviceAccount: 'other' })
const web = pod('web', { addresses: ['10.0.0.2'], serviceAccount: 'web', ...serves('web', [80, 8080]) })
const webService = service('web', { addresses: [at(VIP)], ports: [port(80, 8080), port(9000, 8080)] })
const theirClient = pod('envoy-client', { addresses: ['10.0.0.3'], serviceAccount: 'envoy-client' })
const theirServer = pod('envoy-server', { addresses: ['10.0.0.4'], serviceAccount: 'envoy-server' })
const waypoint = pod('waypoint', {
  addresses: ['10.0.0.5'],
  serviceAccount: 'waypoint',
  ...serves('waypoint', [15_008, 15_008]),
})
const waypointService = service('waypoint', { ports: [port(15_008, 15_008)] })

let pods: Awaited<ReturnType<typeof open>>
let mesh: TestMesh
const folder = mkdtempSync(join(tmpdir(), 'ambient-envoy-'))
const envoys = new AsyncDisposableStack()

async function open() {
  return openPods([
    { name: 'client', ip: '10.0.0.1', redirected: true },
    { name: 'web', ip: '10.0.0.2', redirected: true },
    { name: 'other', ip: '10.0.0.6', redirected: true },
    { name: 'theirClient', ip: '10.0.0.3' },
    { name: 'theirServer', ip: '10.0.0.4' },
    { name: 'waypoint', ip: '10.0.0.5' },
  ])
}

beforeAll(async () => {
  await installExtras(['envoy', 'nghttp2'])
  pods = await open()
  mesh = await TestMesh.open()
  for (const [where, workload] of [
    [pods.client, client],
    [pods.web, web],
    [pods.other, other],
  ] as const)
    await mesh.enrol(where, workload)
  mesh.know(webService, theirClient, theirServer, waypoint, waypointService)
}, INSTALL_MS)
afterAll(async () => {
  await envoys.disposeAsync()
  mesh[Symbol.dispose]()
  pods[Symbol.dispose]()
  rmSync(folder, { recursive: true })
})
beforeEach(() => {
  mesh.lines.length = 0
  pods.web.closeServers()
})

/** 1 MB there and back, then FIN and FIN. */
async function echoes(socket: Socket): Promise<boolean> {
  const payload = Buffer.alloc(1_000_000, 'abcdefg')
  socket.end(payload)
  return (await buffer(socket)).equals(payload)
}

describe('Envoy', () => {
  test('as client reaches a pod, which knows its identity', async () => {
    const base = { folder, name: 'envoy-client' }
    writeCertificate(base, await mesh.certificate(theirClient))
    const configuration = clientConfiguration(base, { ip: '10.0.0.2', port: 8080 })
    envoys.use(await startEnvoy(pods.theirClient, base, configuration))
    pods.web.listen(8080)
    expect(await echoes(await pods.theirClient.dial(mesh.loop, '127.0.0.1', ENVOY_ENTRANCE))).toBe(true)
    await mesh.logged('connection complete', {
      direction: 'inbound',
      'src.identity': spiffe('envoy-client'),
    })
  })

  test('as server is reached from a pod', async () => {
    const base = { folder, name: 'envoy-server' }
    writeCertificate(base, await mesh.certificate(theirServer))
    envoys.use(await startEnvoy(pods.theirServer, base, serverConfiguration(base, 8080)))
    pods.theirServer.listen(8080)
    expect(await echoes(await pods.client.dial(mesh.loop, '10.0.0.4', 8080))).toBe(true)
    await mesh.logged('connection complete', {
      direction: 'outbound',
      'dst.addr': '10.0.0.4:15008',
      'dst.identity': spiffe('envoy-server'),
    })
  })
})

describe('a waypoint of Envoy', () => {
  beforeAll(async () => {
    const base = { folder, name: 'waypoint' }
    writeCertificate(base, await mesh.certificate(waypoint))
    const configuration = waypointConfiguration(base, {
      vip: VIP,
      endpoint: { ip: '10.0.0.2', port: 8080, identity: spiffe('web') },
      httpPort: 80,
      tcpPort: 9000,
      workloadIp: '10.0.0.2',
      tcpPrincipal: spiffe('client'),
    })
    envoys.use(await startEnvoy(pods.waypoint, base, configuration))
  })
  beforeEach(() => mesh.know({ ...webService, waypoint: byWaypoint }, web))

  /** The waypoint's own tunnel to the pod: its identity, and the pod's own address as authority. */
  async function loggedAtPod(): Promise<void> {
    await mesh.logged('connection complete', {
      direction: 'inbound',
      'src.identity': spiffe('waypoint'),
      'dst.hbone_addr': '10.0.0.2:8080',
    })
  }

  test('carries bytes for a service both ways and hands FIN on', async () => {
    pods.web.listen(8080)
    expect(await echoes(await pods.client.dial(mesh.loop, VIP, 9000))).toBe(true)
    await loggedAtPod()
  })

  test('whose app ends first is a normal end for the client, after all bytes', async () => {
    pods.web.listen(8080, (socket) => {
      socket.end('all of it')
      socket.resume()
    })
    const socket = await pods.client.dial(mesh.loop, VIP, 9000)
    expect(await textOf(socket)).toBe('all of it')
    // Envoy says END_STREAM, then resets with NO_ERROR.
    socket.end()
    expect(
      await mesh.logged('connection complete', { direction: 'outbound', 'dst.workload': 'waypoint' }),
    ).toMatchObject({ bytes_recv: 9 })
  })

  test('knows the client by its identity, and refuses another', async () => {
    const heard: string[] = []
    pods.web.listen(8080, (socket) => socket.on('data', (bytes) => heard.push(String(bytes))))
    const refused = await pods.other.dial(mesh.loop, VIP, 9000)
    refused.write('let me in')
    // Its 200 has gone out already: it resets with CONNECT_ERROR, which of a waypoint is a normal end.
    expect(await outcomeOf(refused)).toBe('end')
    refused.destroy()
    await mesh.logged('connection complete', { direction: 'outbound', 'src.identity': spiffe('other') })
    expect(heard).toEqual([])
  })

  test('looks into HTTP, and tells the app who called', async () => {
    const app = http.createServer((request, response) =>
      response.end(`${request.url} for ${String(request.headers['x-forwarded-client-cert'])}`),
    )
    pods.web.netns.enter(() => app.listen(8080))
    expect(await pods.client.run(`curl -sS -m 60 http://${VIP}/cart`)).toBe(
      `/cart for URI=${spiffe('client')}`,
    )
    expect(await pods.other.run(`curl -sS -m 60 http://${VIP}/cart`)).toBe(`/cart for URI=${spiffe('other')}`)
    app.closeAllConnections()
    app.close()
    await loggedAtPod()
  })

  test('of a pod carries what is dialled at the pod', async () => {
    mesh.know({ ...web, waypoint: byWaypoint })
    pods.web.listen(8080)
    expect(await echoes(await pods.client.dial(mesh.loop, '10.0.0.2', 8080))).toBe(true)
    await loggedAtPod()
  })

  test.each([
    { way: 'straight to the pod', target: 'http://10.0.0.2:8080/' },
    { way: 'through the waypoint', target: `http://${VIP}:9000/` },
  ])('nghttp and h2load speak HTTP/2 $way', async ({ target }) => {
    const app = http2.createServer((_request, response) => response.end('h2'))
    const sessions = new Set<http2.ServerHttp2Session>()
    app.on('session', (session) => {
      sessions.add(session)
      session.on('error', () => {})
    })
    pods.web.netns.enter(() => app.listen(8080))
    expect(await pods.client.run(`nghttp --timeout=60s ${target}`)).toBe('h2')
    const report = await pods.client.run(`h2load -n 400 -c 8 -m 10 -T 60 ${target}`)
    expect(report).toContain('400 succeeded, 0 failed, 0 errored, 0 timeout')
    for (const session of sessions) session.destroy()
    app.close()
  })
})

test('after all that no exception was contained', () => expect(mesh.faults).toEqual([]))
