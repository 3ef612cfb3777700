/** Two hops over mTLS, real sockets. After every case: nothing open, no descriptor kept, the loop asleep. */
import { once } from 'node:events'
import type net from 'node:net'
import { testCa, waitFor } from '@ambient/testkit'
import { liveTlsObjects } from '@ambient/tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { dial, digestOf, echo, feed, flood, outcomeOf, readAll, settled } from './sockets.ts'
import type { Tunnel } from '../src/index.ts'
import { seededRandom } from './seeded-random.ts'
import { TestProxy } from './test-proxy.ts'
import { ID_B, twoHops, type TwoHops } from './two-hops.ts'

const random = seededRandom(7)
let hops: TwoHops

beforeAll(async () => {
  hops = await twoHops({ tls: true })
})
afterAll(async () => {
  await hops[Symbol.asyncDispose]()
  expectNoTlsObjects()
})
beforeEach(() => {
  hops.a.ends.length = 0
  hops.b.ends.length = 0
})
afterEach(() => hops.expectQuiet())

describe('bytes', () => {
  test.each([
    { name: 'pieces of 1 to 100,000 bytes', bytes: 10_000_000, pieceBytes: () => 1 + random.below(100_000) },
    { name: 'pieces of 1 to 40 bytes', bytes: 60_000, pieceBytes: () => 1 + random.below(40) },
  ])('arrive exactly, both ways at once, in $name', async ({ bytes, pieceBytes }) => {
    expect(await exchange(bytes, pieceBytes)).toEqual({ appHeard: 'all', clientHeard: 'all' })
  })

  test('are counted both ways while they pass', async () => {
    hops.app.behave((socket) => socket.once('data', () => socket.write(Buffer.alloc(1000))))
    const client = await dial(hops.port)
    client.resume()
    client.write(Buffer.alloc(300))
    await waitFor('the bytes to pass', () => client.bytesRead === 1000)
    const counted = (tunnels: ReadonlySet<Tunnel>): unknown =>
      [...tunnels].map((tunnel) => [tunnel.bytesUp, tunnel.bytesDown])
    expect(counted(hops.a.tunnels)).toEqual([[300, 1000]])
    expect(counted(hops.b.tunnels)).toEqual([[1000, 300]])
    client.destroy()
  })
})

describe('half-close', () => {
  test('lets the app answer after the client has finished', async () => {
    hops.app.behave(
      (socket) =>
        void readAll(socket).then((request) =>
          socket.end(Buffer.concat([request, Buffer.alloc(3_000_000, 7)])),
        ),
    )
    const client = await dial(hops.port)
    client.end('request')
    const answer = await readAll(client)
    expect(answer.length).toBe(3_000_007)
    expect(String(answer.subarray(0, 7))).toBe('request')
  })

  test('lets the client go on after the app has finished', async () => {
    const heard = new Promise<Buffer>((resolve) => {
      hops.app.behave((socket) => {
        socket.end('hello')
        void readAll(socket).then(resolve)
      })
    })
    const client = await dial(hops.port)
    expect(String(await readAll(client))).toBe('hello')
    client.end(Buffer.alloc(3_000_000))
    expect((await heard).length).toBe(3_000_000)
  })

  test('ends as completed on both hops', async () => {
    hops.app.behave(echo)
    const client = await dial(hops.port)
    client.end('x')
    await readAll(client)
    await waitFor('both tunnels to end', () => hops.a.ends.length + hops.b.ends.length === 2)
    expect([...hops.a.ends, ...hops.b.ends]).toEqual([{ kind: 'completed' }, { kind: 'completed' }])
  })
})

describe('pressure', () => {
  test('six readers that are stuck stop their senders, in bounded memory, and nobody else', async () => {
    hops.app.behave((socket) => void socket.pause())
    const stuck = await Promise.all(Array.from({ length: 6 }, () => dial(hops.port)))
    let written = 0
    for (const socket of stuck) flood(socket, (bytes) => void (written += bytes))
    await waitFor(
      'the senders to be stopped',
      settled(() => written),
      { deadlineMs: 15_000 },
    )
    const [session] = hops.b.servers
    // What an app does not take: at most the first window of each stream.
    expect(session?.credit.keptBytes).toBeGreaterThan(0)
    expect(session?.credit.keptBytes).toBeLessThanOrEqual(6 * hops.b.limits.maxStreamWindow)
    expect(await exchange(2_000_000, () => 30_000)).toEqual({ appHeard: 'all', clientHeard: 'all' })
    for (const socket of stuck) socket.destroy()
  })

  test('a writer that is silent costs no turns', async () => {
    hops.app.behave(echo)
    const client = await dial(hops.port)
    for (let i = 0; i < 5; i++) {
      client.write('z')
      await once(client, 'data')
    }
    expect(hops.pump.idleTurns()).toBeLessThanOrEqual(3)
    client.destroy()
  })
})

describe('cuts', () => {
  test.each(['client', 'app'] as const)('a reset by the %s reaches the other end as a reset', async (who) => {
    const app = new Promise<net.Socket>((resolve) =>
      hops.app.behave((socket) => socket.once('data', () => resolve(socket))),
    )
    const client = await dial(hops.port)
    client.write('x')
    const served = await app
    const outcome = outcomeOf(who === 'client' ? served : client)
    ;(who === 'client' ? client : served).resetAndDestroy()
    expect(await outcome).toBe('ECONNRESET')
  })

  test('resets in the middle of a flood both ways free everything', async () => {
    hops.app.behave((socket) => {
      flood(socket)
      socket.resume()
    })
    for (let i = 0; i < 30; i++) {
      const client = await dial(hops.port)
      flood(client)
      client.resume()
      await waitFor('some bytes to pass', () => client.bytesRead > random.below(2_000_000))
      client.resetAndDestroy()
    }
    await waitFor('60 ends', () => hops.a.ends.length + hops.b.ends.length === 60)
    expect(new Set(hops.a.endKinds())).toEqual(new Set(['local-reset']))
    expect(new Set(hops.b.endKinds())).toEqual(new Set(['peer-reset']))
  })

  test('200 clients that vanish before the answer leave no tunnel', async () => {
    hops.app.behave((socket) => void socket.end())
    for (let i = 0; i < 200; i++) {
      const client = await dial(hops.port)
      if (i % 2 === 0) client.resetAndDestroy()
      else client.destroy()
    }
    await waitFor('200 ends', () => hops.a.ends.length === 200 && hops.b.open === 0)
    expect(hops.a.open).toBe(0)
  })

  test('abort() from outside resets both ends and says why', async () => {
    hops.app.behave(echo)
    const client = await dial(hops.port)
    client.write('x')
    await once(client, 'data')
    const outcome = outcomeOf(client)
    for (const tunnel of Array.from(hops.b.tunnels)) tunnel.abort('policy changed')
    expect(await outcome).toBe('ECONNRESET')
    await waitFor('both tunnels to end', () => hops.a.ends.length + hops.b.ends.length === 2)
    expect(hops.b.ends).toEqual([{ kind: 'aborted', reason: 'policy changed' }])
    expect(hops.a.ends).toEqual([{ kind: 'peer-reset', code: 10 }])
  })

  test('a next hop that dies resets its tunnels and is dialled again', async () => {
    hops.app.behave(echo)
    const client = await dial(hops.port)
    client.write('x')
    await once(client, 'data')
    const dialsBefore = hops.a.dials
    const outcome = outcomeOf(client)
    for (const session of Array.from(hops.b.servers)) session.close('killed')
    expect(await outcome).toBe('ECONNRESET')
    const next = await dial(hops.port)
    next.end('again')
    expect(String(await readAll(next))).toBe('again')
    expect(hops.a.dials).toBeGreaterThan(dialsBefore)
  })
})

describe('refusals', () => {
  test('an app that is not there is 503 inside and a reset outside', async () => {
    const a = new TestProxy({ loop: hops.pump.loop })
    const b = new TestProxy({ loop: hops.pump.loop })
    // Nobody listens on port 1.
    const port = a.serveOutbound(b.serveInbound(1))
    expect(await outcomeOf(await dial(port))).toBe('ECONNRESET')
    await waitFor('both tunnels to end', () => a.ends.length + b.ends.length === 2)
    expect(a.ends).toEqual([{ kind: 'refused', status: 503 }])
    expect(b.ends).toEqual([{ kind: 'connect-failed', errno: 111 }])
    a.close()
    b.close()
  })

  test.each([400, 401, 503])('an answer of %d is a reset for the app', async (status) => {
    hops.b.status = status
    expect(await outcomeOf(await dial(hops.port))).toBe('ECONNRESET')
    hops.b.status = 200
    await waitFor('the tunnel to end', () => hops.a.ends.length === 1)
    expect(hops.a.ends).toEqual([{ kind: 'refused', status }])
  })

  test('2,000 refusals in a row do not cost the session', async () => {
    hops.b.status = 401
    const dialsBefore = hops.a.dials
    for (let i = 0; i < 2000; i += 50) {
      const outcomes = Array.from({ length: 50 }, async () => outcomeOf(await dial(hops.port)))
      expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['ECONNRESET']))
    }
    hops.b.status = 200
    expect(hops.a.dials - dialsBefore).toBeLessThanOrEqual(1)
  })

  test('a peer with another SPIFFE ID is refused after the handshake', async () => {
    const ca = await testCa()
    const a = new TestProxy({
      loop: hops.pump.loop,
      certificate: await ca.issue({ uris: ['spiffe://cluster.local/ns/x/sa/a'] }),
    })
    const b = new TestProxy({
      loop: hops.pump.loop,
      certificate: await ca.issue({ uris: ['spiffe://cluster.local/ns/x/sa/b'] }),
    })
    const port = a.serveOutbound(b.serveInbound(hops.app.port), { expected: ID_B })
    expect(await outcomeOf(await dial(port))).toBe('ECONNRESET')
    expect(a.sessionEnds).toEqual([
      { kind: 'peer-refused', reason: 'peer is spiffe://cluster.local/ns/x/sa/b' },
    ])
    expect(a.ends).toMatchObject([{ kind: 'session-lost', session: { kind: 'peer-refused' } }])
    await settleAndClose(a, b)
  })

  test.each([
    { name: 'of another CA', issue: async () => (await testCa()).issue({ uris: [ID_B] }) },
    {
      name: 'that has expired',
      issue: async () => mine.issue({ uris: [ID_B], notAfter: new Date(Date.now() - 1000) }),
    },
    { name: 'for clients only', issue: async () => mine.issue({ uris: [ID_B], eku: 'client' }) },
  ])('a server certificate $name fails the handshake', async ({ issue }) => {
    const a = new TestProxy({ loop: hops.pump.loop, certificate: await mine.issue({ uris: [ID_B] }) })
    const b = new TestProxy({ loop: hops.pump.loop, certificate: await issue() })
    const port = a.serveOutbound(b.serveInbound(hops.app.port))
    expect(await outcomeOf(await dial(port))).toBe('ECONNRESET')
    expect(a.sessionEnds).toMatchObject([{ kind: 'handshake-failed', stage: 'tls' }])
    await settleAndClose(a, b)
  })

  test.each([
    {
      name: 'of another CA',
      issue: async () => ({ ...(await (await testCa()).issue({})), rootsPem: mine.rootPem }),
    },
    { name: 'that has expired', issue: async () => mine.issue({ notAfter: new Date(Date.now() - 1000) }) },
    { name: 'for servers only', issue: async () => mine.issue({ eku: 'server' }) },
  ])(
    'a client certificate $name is refused by the server, and the client learns it as a failed handshake',
    async ({ issue }) => {
      const a = new TestProxy({ loop: hops.pump.loop, certificate: await issue() })
      const b = new TestProxy({ loop: hops.pump.loop, certificate: await mine.issue({ uris: [ID_B] }) })
      const port = a.serveOutbound(b.serveInbound(hops.app.port))
      expect(await outcomeOf(await dial(port))).toBe('ECONNRESET')
      expect(a.sessionEnds).toMatchObject([{ kind: 'handshake-failed', stage: 'tls' }])
      await waitFor('the server to end its session', () => b.sessionEnds.length === 1)
      expect(b.sessionEnds).toMatchObject([{ kind: 'handshake-failed', stage: 'tls' }])
      await settleAndClose(a, b)
    },
  )
})

describe('lifecycle', () => {
  test('drain() finishes open tunnels, sends new ones elsewhere, and closes', async () => {
    hops.app.behave(echo)
    const client = await dial(hops.port)
    client.write('1')
    await once(client, 'data')
    const [draining] = hops.b.servers
    draining?.drain()
    await waitFor('the client session to leave the pool', () => hops.a.pool.size === 0)
    const other = await dial(hops.port)
    other.end('elsewhere')
    expect(String(await readAll(other))).toBe('elsewhere')
    client.write('2')
    expect(String((await once(client, 'data'))[0])).toBe('2')
    expect(draining?.state.kind).toBe('draining')
    client.end()
    await readAll(client)
    await waitFor('the drained session to close', () => draining?.isClosed)
    expect(draining?.state).toEqual({ kind: 'closed', end: { kind: 'drained' } })
  })

  test('100 connections at once make one dial', async () => {
    hops.app.behave(echo)
    for (const session of Array.from(hops.a.clients)) session.close('start afresh')
    const dialsBefore = hops.a.dials
    const clients = await Promise.all(Array.from({ length: 100 }, () => dial(hops.port)))
    await Promise.all(
      clients.map(async (client, i) => {
        client.end(`connection ${i}`)
        expect(String(await readAll(client))).toBe(`connection ${i}`)
      }),
    )
    expect(hops.a.dials - dialsBefore).toBe(1)
  })

  test('2,000 connections in bursts of 100 are all correct and leave nothing behind', async () => {
    hops.app.behave(echo)
    let correct = 0
    for (let burst = 0; burst < 20; burst++) {
      await Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          const client = await dial(hops.port)
          client.write(`${burst}/${i}`)
          if (String((await once(client, 'data'))[0]) === `${burst}/${i}`) correct++
          if (i % 2 === 0) client.destroy()
          else await finish(client)
        }),
      )
    }
    expect(correct).toBe(2000)
  })
})

const mine = await testCa('mine')

function expectNoTlsObjects(): void {
  expect(liveTlsObjects()).toEqual({ connections: 0, contexts: 0 })
}

/** Sends random bytes both ways at once, and compares what came with what went. */
async function exchange(
  bytes: number,
  pieceBytes: () => number,
): Promise<{ appHeard: 'all' | 'something else'; clientHeard: 'all' | 'something else' }> {
  const served = new Promise<[string, string]>((resolve) => {
    hops.app.behave(
      (socket) => void Promise.all([feed(socket, bytes, pieceBytes), digestOf(socket)]).then(resolve),
    )
  })
  const client = await dial(hops.port)
  const [sent, got] = await Promise.all([feed(client, bytes, pieceBytes), digestOf(client)])
  const [appSent, appGot] = await served
  return {
    appHeard: appGot === sent ? 'all' : 'something else',
    clientHeard: got === appSent ? 'all' : 'something else',
  }
}

async function finish(client: net.Socket): Promise<void> {
  client.resume()
  client.end()
  await once(client, 'close')
}

async function settleAndClose(...proxies: TestProxy[]): Promise<void> {
  await waitFor('sessions to end', () => proxies.every((proxy) => proxy.open === 0 && proxy.pool.size === 0))
  for (const proxy of proxies) proxy.close()
}
