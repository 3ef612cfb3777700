/** What the environment says of sockets, the pool and HTTP/2, where it acts. */
import type http2 from 'node:http2'
import type net from 'node:net'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { tcpSettings, tunnelLimits } from '../src/connection-config.ts'
import { echoTunnel, serveHbonePeer } from './hbone-peer.ts'
import { pod } from './mesh-fixture.ts'
import { outcomeOf, openPods } from './pod-net.ts'
import { TestMesh } from './test-mesh.ts'

requireRoot()

const SIZES = {
  HTTP2_STREAM_WINDOW_SIZE: '70000',
  HTTP2_CONNECTION_WINDOW_SIZE: '280000',
  HTTP2_FRAME_SIZE: '20000',
}
const client = pod('client', { addresses: ['10.0.0.1'], serviceAccount: 'client' })
const peer = pod('peer', { addresses: ['10.0.0.2'], serviceAccount: 'peer' })

let pods: Awaited<ReturnType<typeof open>>
let mesh: TestMesh | undefined

async function open() {
  return openPods([
    { name: 'client', ip: '10.0.0.1', redirected: true },
    { name: 'peer', ip: '10.0.0.2' },
  ])
}

/** A node proxy with `env`, for the client's pod. */
async function start(env: Readonly<Record<string, string>>): Promise<TestMesh> {
  mesh = await TestMesh.open({ tcp: tcpSettings(env), tunnelLimits: tunnelLimits(env) })
  await mesh.enrol(pods.client, client)
  return mesh
}

beforeAll(async () => {
  pods = await open()
})
afterAll(() => pods[Symbol.dispose]())
afterEach(() => {
  expect(mesh?.faults).toEqual([])
  mesh?.[Symbol.dispose]()
})

/** A connection of the client's app to the peer's, echoed once. */
async function echoed({ loop }: TestMesh): Promise<net.Socket> {
  const socket = await pods.client.dial(loop, '10.0.0.2', 8080)
  socket.write('x')
  await new Promise((resolve) => socket.once('data', resolve))
  return socket
}

test('a peer is told of the windows and the frame size, and tunnels share connections as far as they may', async () => {
  const made = await start({ ...SIZES, POOL_MAX_STREAMS_PER_CONNECTION: '2' })
  const sessions = new Set<http2.Http2Session>()
  const server = serveHbonePeer(pods.peer, await made.certificate(peer), (stream) => {
    if (stream.session !== undefined) sessions.add(stream.session)
    echoTunnel(stream)
  })
  made.know(peer)
  try {
    const sockets = [await echoed(made), await echoed(made), await echoed(made)]
    expect(server.connections).toBe(2)
    for (const session of sessions) {
      expect(session.remoteSettings).toMatchObject({ initialWindowSize: 70_000, maxFrameSize: 20_000 })
      // Less what has been echoed, a byte a tunnel.
      expect(session.state.remoteWindowSize).toBeGreaterThan(280_000 - 4)
      expect(session.state.remoteWindowSize).toBeLessThanOrEqual(280_000)
    }
    for (const socket of sockets) socket.destroy()
    await waitFor('the tunnels to end', () => Object.values(made.describe().pods).flat().length === 0)
    expect(made.describe().sessions).toBe(2)
  } finally {
    server.close()
  }
})

test('a connection without tunnels is let go after its time', async () => {
  const made = await start({ POOL_UNUSED_RELEASE_TIMEOUT: '100ms' })
  const server = serveHbonePeer(pods.peer, await made.certificate(peer), echoTunnel)
  made.know(peer)
  try {
    const socket = await echoed(made)
    expect(made.describe().sessions).toBe(1)
    socket.destroy()
    await waitFor('the session to end', () => made.describe().sessions === 0)
  } finally {
    server.close()
  }
})

const QUICK = { KEEPALIVE_TIME: '1s', KEEPALIVE_INTERVAL: '1s', KEEPALIVE_RETRIES: '1' }

test.each([
  { name: 'that says nothing more is given up by keepalive', env: QUICK, says: '' },
  {
    name: 'that acknowledges nothing more is given up by the user timeout',
    env: { ...QUICK, KEEPALIVE_ENABLED: 'false', USER_TIMEOUT_ENABLED: 'true' },
    says: 'anybody there?',
  },
])('a peer in the clear $name, whoever dialled', async ({ env, says }) => {
  const made = await start(env)
  pods.peer.listen(8080)
  try {
    const out = await echoed(made)
    const inside = await new Promise<net.Socket>((resolve) => {
      pods.client.listen(9091, resolve)
      void pods.peer.dial(made.loop, '10.0.0.1', 9091)
    })
    const ends = [outcomeOf(out), outcomeOf(inside)]
    await pods.peer.run('ip link set eth0 down')
    if (says !== '') for (const socket of [out, inside]) socket.write(says)
    expect(await Promise.all(ends)).toEqual(['ECONNRESET', 'ECONNRESET'])
    expect(Object.values(made.describe().pods).flat()).toEqual([])
  } finally {
    await pods.peer.run('ip link set eth0 up; ip route add default dev eth0')
    for (const each of [pods.client, pods.peer]) each.closeServers()
  }
})
