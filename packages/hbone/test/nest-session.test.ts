/** client → a → [tunnel in a tunnel] → gateway → server → app, all in this process: real sockets, real TLS, one loop. */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { Listener } from '@ambient/event-loop'
import { listenOn, localAddress, resetSocket } from '@ambient/linux'
import { openDescriptors, testCa, waitFor } from '@ambient/testkit'
import { TlsContext, TlsTransport } from '@ambient/tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  connectFields,
  type H2Session,
  nestSession,
  type TunnelEnd,
  type UntouchedCause,
} from '../src/index.ts'
import { Pump } from './pump.ts'
import { dial, digestOf, echo, feed, listenApp, outcomeOf, readAll, type TestApp } from './sockets.ts'
import { TestProxy } from './test-proxy.ts'

const ID = (name: string): string => `spiffe://cluster.local/ns/default/sa/${name}`

let pump: Pump
let app: TestApp
let client: TestProxy
let gateway: TestProxy
let server: TestProxy
let context: TlsContext
let listener: Listener
let port: number
let base: number
/** What the gateway dials, and whom the inner handshake accepts. */
const wish = { expected: ID('server') }
const uncarried: UntouchedCause[] = []
const ends: TunnelEnd[] = []
const inner = new Set<H2Session>()

beforeAll(async () => {
  pump = new Pump()
  app = await listenApp()
  const ca = await testCa()
  const issue = (name: string) => ca.issue({ uris: [ID(name)] })
  const shared = { loop: pump.loop, limits: { lingerMs: 200, discardMs: 300 } }
  context = new TlsContext(await issue('client'))
  client = new TestProxy({ ...shared, certificate: await issue('client') })
  gateway = new TestProxy({ ...shared, certificate: await issue('gateway') })
  server = new TestProxy({ ...shared, certificate: await issue('server') })
  const gatewayPort = gateway.serveInbound(server.serveInbound(app.port))
  const listening = listenOn({ ip: '127.0.0.1', port: 0 })
  port = localAddress(listening).port
  listener = new Listener(listening, pump.loop, { acceptsPerTurn: 64, acceptPauseMs: 50 }, (fd) =>
    serve(fd, gatewayPort),
  )
  pump.start()
  expect(await say('warm up')).toBe('warm up')
  await settle()
  base = openDescriptors().size
})
afterAll(async () => {
  listener.close()
  for (const proxy of [client, gateway, server]) proxy.close()
  context.free()
  await app.close()
  pump[Symbol.dispose]()
})
beforeEach(() => {
  app.behave(echo)
  wish.expected = ID('server')
  gateway.status = 200
})
afterEach(async () => {
  for (const socket of app.sockets) socket.destroy()
  await settle()
  await waitFor(`descriptors to be back at ${base}`, () => openDescriptors().size <= base)
  uncarried.length = ends.length = 0
})

function serve(fd: number, gatewayPort: number): void {
  const outer = client.checkout(gatewayPort, { expected: ID('gateway') })
  if (outer === undefined) return resetSocket(fd)
  const session: H2Session = nestSession(
    outer,
    connectFields('web.far:80'),
    (near) => new TlsTransport(near, context, 'client'),
    {
      loop: pump.loop,
      limits: client.limits,
      buffers: client.buffers,
      checkPeer: (uris) => (uris.includes(wish.expected) ? undefined : `peer is ${uris.join()}`),
      onUncarried: (cause) => uncarried.push(cause),
      onClosed: (closed) => inner.delete(closed),
    },
  )
  inner.add(session)
  const tunnel = session.open(fd, connectFields('web.far:80'))
  tunnel.onEnd = (end) => {
    ends.push(end)
    if (end.kind === 'untouched') resetSocket(end.fd)
    session.drain()
  }
}

/** Every tunnel of either kind is over, and so are the sessions inside. */
async function settle(): Promise<void> {
  await waitFor('every tunnel to end', () => {
    const sessions = [...gateway.servers, ...server.servers, ...client.clients]
    return inner.size + sessions.reduce((sum, { tunnels }) => sum + tunnels.size, 0) === 0
  })
  pump.expectQuiet()
}

async function say(text: string): Promise<string> {
  const socket = await dial(port)
  socket.end(text)
  return String(await readAll(socket))
}

describe('nestSession()', () => {
  test('carries bytes both ways, whatever their pieces', async () => {
    const sizes = [1, 17, 16_384, 100_000, 262_144]
    let at = 0
    const socket = await dial(port)
    const received = digestOf(socket)
    const sent = await feed(socket, 8_000_000, () => sizes[at++ % sizes.length] ?? 1)
    expect(await received).toBe(sent)
  })

  test('uses one outer session for all, and an inner one for each', async () => {
    const dials = client.dials
    const before = server.servers.size
    const sockets = await Promise.all(Array.from({ length: 20 }, () => dial(port)))
    await waitFor('twenty inner sessions', () => server.servers.size === before + 20)
    expect(client.dials).toBe(dials)
    for (const socket of sockets) socket.end()
    await Promise.all(sockets.map(readAll))
  })

  test('keeps half-close: the app answers after the client has finished', async () => {
    app.behave((socket: Socket) => {
      socket.on('end', () => socket.end('after all')).resume()
    })
    expect(await say('x'.repeat(100_000))).toBe('after all')
  })

  test('brings a reset of the app to the client, and the other way round', async () => {
    app.behave((socket) => socket.once('data', () => socket.resetAndDestroy()))
    const first = await dial(port)
    first.write('x')
    expect(await outcomeOf(first)).toBe('ECONNRESET')
    const [heard, hear] = [Promise.withResolvers<string>(), Promise.withResolvers<void>()]
    app.behave((socket) => {
      void outcomeOf(socket).then(heard.resolve)
      socket.once('data', () => hear.resolve())
    })
    const second = await dial(port)
    second.write('x')
    await hear.promise
    second.resetAndDestroy()
    expect(await heard.promise).toBe('ECONNRESET')
  })

  test('resets the client when the gateway is lost: what came may not be all', async () => {
    app.behave((socket) => socket.write(randomBytes(1000)))
    const socket = await dial(port)
    const outcome = outcomeOf(socket)
    await waitFor('bytes', () => socket.bytesRead === 1000)
    for (const session of gateway.servers) session.close('gateway died')
    expect(await outcome).toBe('ECONNRESET')
    expect(ends).toMatchObject([{ kind: 'session-lost' }])
  })

  test('says why the outer tunnel never began, and gives the client’s socket back', async () => {
    gateway.status = 503
    expect(await outcomeOf(await dial(port))).toBe('ECONNRESET')
    expect(uncarried).toEqual([{ kind: 'refused', status: 503 }])
    expect(ends).toMatchObject([{ kind: 'untouched' }])
  })

  test('believes only who was expected inside', async () => {
    wish.expected = ID('another')
    expect(await outcomeOf(await dial(port))).toBe('ECONNRESET')
    expect(uncarried).toEqual([])
    expect(ends).toMatchObject([
      { kind: 'untouched', cause: { kind: 'session-lost', session: { kind: 'peer-refused' } } },
    ])
  })
})
