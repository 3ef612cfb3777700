/** Against somebody else's HTTP/2 and TLS: node:http2 as client and as server, over mTLS. */
import { once } from 'node:events'
import http2 from 'node:http2'
import { buffer, text } from 'node:stream/consumers'
import { testCa, waitFor, type IssuedCertificate } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { dial, echo, outcomeOf, portOf, readAll } from './sockets.ts'
import { TestProxy } from './test-proxy.ts'
import { ID_A, ID_B, twoHops, type TwoHops } from './two-hops.ts'

let hops: TwoHops
let client: IssuedCertificate
let server: IssuedCertificate

beforeAll(async () => {
  hops = await twoHops()
  const ca = await testCa()
  client = await ca.issue({ uris: [ID_A] })
  server = await ca.issue({ uris: [ID_B] })
})
afterAll(() => hops[Symbol.asyncDispose]())
afterEach(() => hops.expectQuiet())

function secure(certificate: IssuedCertificate): {
  key: string
  cert: string
  ca: string
  minVersion: 'TLSv1.3'
} {
  return {
    key: certificate.privateKeyPem,
    cert: certificate.certificateChainPem,
    ca: certificate.rootsPem,
    minVersion: 'TLSv1.3',
  }
}

describe('a node:http2 client', () => {
  test.each([
    { name: 'default settings', settings: {} },
    { name: 'large windows and frames', settings: { initialWindowSize: 4 << 20, maxFrameSize: 1 << 20 } },
    { name: 'a window of 1,000 bytes', settings: { initialWindowSize: 1000 } },
  ])('with $name gets CONNECT, an echo of 2 MB, half-close and statuses', async ({ settings }) => {
    hops.app.behave(echo)
    const b = new TestProxy({ loop: hops.pump.loop, certificate: server })
    const session = http2.connect(`https://127.0.0.1:${b.serveInbound(hops.app.port)}`, {
      ...secure(client),
      checkServerIdentity: () => undefined,
      settings,
    })
    const stream = session.request({
      ':method': 'CONNECT',
      ':authority': '10.0.0.1:8080',
      baggage: 'service.name=a',
      forwarded: 'for="10.0.0.9:1"',
    })
    expect(await statusOf(stream)).toBe(200)
    const payload = Buffer.alloc(2_000_000, 'abcdefgh')
    stream.end(payload)
    expect((await buffer(stream)).equals(payload)).toBe(true)
    expect(b.requests[0]?.destination).toEqual({ kind: 'address', ip: '10.0.0.1', port: 8080 })
    expect(b.requests[0]?.fields).toContainEqual({ name: 'baggage', value: 'service.name=a' })
    const refused = session.request({ ':method': 'GET', ':path': '/' })
    refused.end()
    expect(await statusOf(refused)).toBe(400)
    session.close()
    await waitFor('the session to end', () => b.servers.size === 0)
    expect([...b.endKinds()]).toEqual(['completed'])
    b.close()
  })

  test('that cancels its stream ends the tunnel', async () => {
    hops.app.behave((socket) => socket.resume())
    const b = new TestProxy({ loop: hops.pump.loop, certificate: server })
    const session = http2.connect(`https://127.0.0.1:${b.serveInbound(hops.app.port)}`, {
      ...secure(client),
      checkServerIdentity: () => undefined,
    })
    const stream = session.request({ ':method': 'CONNECT', ':authority': '10.0.0.1:8080' })
    stream.on('error', () => {})
    await once(stream, 'response')
    stream.close(http2.constants.NGHTTP2_CANCEL)
    await waitFor('the tunnel to end', () => b.ends.length === 1)
    session.close()
    await waitFor('the session to end', () => b.servers.size === 0)
    expect(b.ends).toEqual([{ kind: 'peer-reset', code: 8 }])
    b.close()
  })

  test('sees a drain as GOAWAY, finishes its stream and is closed without an error', async () => {
    hops.app.behave(echo)
    const b = new TestProxy({ loop: hops.pump.loop, certificate: server })
    const session = http2.connect(`https://127.0.0.1:${b.serveInbound(hops.app.port)}`, {
      ...secure(client),
      checkServerIdentity: () => undefined,
    })
    const errors: unknown[] = []
    session.on('error', (error) => errors.push(error))
    const goaways: number[] = []
    session.on('goaway', (code: number) => goaways.push(code))
    const stream = session.request({ ':method': 'CONNECT', ':authority': '10.0.0.1:8080' })
    await once(stream, 'response')
    for (const each of b.servers) each.drain()
    await waitFor('the GOAWAY', () => goaways.length > 0)
    stream.end('last words')
    expect(await text(stream)).toBe('last words')
    await waitFor('the session to be closed', () => session.destroyed)
    expect(errors).toEqual([])
    expect(new Set(goaways)).toEqual(new Set([0]))
    await waitFor('the server to have drained', () => b.sessionEnds.length === 1)
    expect(['drained', 'peer-closed']).toContain(b.sessionEnds[0]?.kind)
    b.close()
  })
})

describe('a node:http2 server', () => {
  test.each([
    { name: 'default settings', settings: {}, minSessions: 1 },
    {
      name: 'large windows and frames',
      settings: { initialWindowSize: 4 << 20, maxFrameSize: 1 << 20 },
      minSessions: 1,
    },
    { name: 'a window of 1,000 bytes', settings: { initialWindowSize: 1000 }, minSessions: 1 },
    { name: 'a limit of 2 streams', settings: { maxConcurrentStreams: 2 }, minSessions: 2 },
  ])('with $name serves six tunnels of 1 MB', async ({ settings, minSessions }) => {
    const next = await listenHttp2(settings, (stream) => {
      stream.respond({ ':status': 200 })
      stream.pipe(stream)
    })
    const a = new TestProxy({ loop: hops.pump.loop, certificate: client })
    const port = a.serveOutbound(next.port, { expected: ID_B })
    const payload = Buffer.alloc(1_000_000, 'xyz')
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        const app = await dial(port)
        app.end(payload)
        expect((await readAll(app)).equals(payload)).toBe(true)
      }),
    )
    await waitFor('all tunnels to end', () => a.open === 0)
    expect(new Set(a.endKinds())).toEqual(new Set(['completed']))
    expect(next.sessions()).toBeGreaterThanOrEqual(minSessions)
    a.close()
    await next.close()
  })

  test('that sends GOAWAY is left for another connection', async () => {
    const next = await listenHttp2({}, (stream) => {
      stream.respond({ ':status': 200 })
      stream.pipe(stream)
      stream.session?.goaway(0)
    })
    const a = new TestProxy({ loop: hops.pump.loop, certificate: client })
    const port = a.serveOutbound(next.port, { expected: ID_B })
    for (let i = 0; i < 3; i++) {
      const app = await dial(port)
      app.end('ping')
      expect(String(await readAll(app))).toBe('ping')
    }
    expect(next.sessions()).toBe(3)
    a.close()
    await next.close()
  })

  test('that answers 403 resets the app', async () => {
    const next = await listenHttp2({}, (stream) => stream.respond({ ':status': 403 }, { endStream: true }))
    const a = new TestProxy({ loop: hops.pump.loop, certificate: client })
    const port = a.serveOutbound(next.port, { expected: ID_B })
    expect(await outcomeOf(await dial(port))).toBe('ECONNRESET')
    expect(a.ends).toEqual([{ kind: 'refused', status: 403 }])
    a.close()
    await next.close()
  })
})

async function statusOf(stream: http2.ClientHttp2Stream): Promise<number | undefined> {
  return new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])))
}

async function listenHttp2(
  settings: http2.Settings,
  onStream: (stream: http2.ServerHttp2Stream) => void,
): Promise<{ port: number; sessions(): number; close(): Promise<void> }> {
  const sessions = new Set<http2.ServerHttp2Session>()
  let count = 0
  const next = http2.createSecureServer({
    ...secure(server),
    requestCert: true,
    rejectUnauthorized: true,
    settings,
  })
  next.on('session', (session) => {
    count++
    sessions.add(session)
    session.on('error', () => {})
  })
  next.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => {})
    onStream(stream)
  })
  next.listen(0, '127.0.0.1')
  await once(next, 'listening')
  return {
    port: portOf(next),
    sessions: () => count,
    close: async () => {
      for (const session of sessions) session.destroy()
      next.close()
      await once(next, 'close')
    },
  }
}
