import { once } from 'node:events'
import type { Socket } from 'node:net'
import { leakedDescriptors, openDescriptors, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Pump } from './pump.ts'
import {
  dial,
  digestOf,
  echo,
  feed,
  flood,
  listenApp,
  outcomeOf,
  readAll,
  settled,
  type TestApp,
} from './sockets.ts'
import { seededRandom } from './seeded-random.ts'
import { TestProxy } from './test-proxy.ts'

const random = seededRandom(3)
let pump: Pump
let app: TestApp
let proxy: TestProxy
let port: number
let base: ReadonlyMap<number, string>

beforeEach(async () => {
  pump = new Pump()
  app = await listenApp()
  proxy = new TestProxy({ loop: pump.loop })
  port = proxy.servePlaintext(app.port)
  pump.start()
  base = openDescriptors()
})
afterEach(async () => {
  for (const socket of app.sockets) socket.destroy()
  await waitFor('every relay to end', () => proxy.open === 0)
  proxy.pipes.close()
  await waitFor('descriptors to be closed', () => leakedDescriptors(base).length === 0)
  pump.expectQuiet()
  proxy.close()
  await app.close()
  pump[Symbol.dispose]()
})

describe('Relay', () => {
  test.each([
    {
      name: 'pieces of 1 to 100,000 bytes, copied then spliced',
      bytes: 12_000_000,
      pieceBytes: () => 1 + random.below(100_000),
    },
    { name: 'pieces of 1 to 40 bytes', bytes: 60_000, pieceBytes: () => 1 + random.below(40) },
  ])('carries $name exactly, both ways at once', async ({ bytes, pieceBytes }) => {
    const served = new Promise<[string, string]>((resolve) => {
      app.behave(
        (socket) => void Promise.all([feed(socket, bytes, pieceBytes), digestOf(socket)]).then(resolve),
      )
    })
    const client = await dial(port)
    const [relay] = [...proxy.relays]
    const [sent, got] = await Promise.all([feed(client, bytes, pieceBytes), digestOf(client)])
    expect([got, (await served)[1]]).toEqual([(await served)[0], sent])
    await waitFor('the relay to end', () => proxy.ends.length === 1)
    expect(proxy.ends).toEqual([{ kind: 'completed' }])
    expect([relay?.bytesUp, relay?.bytesDown]).toEqual([bytes, bytes])
    expect(proxy.pipes.idleCount).toBe(bytes > 1 << 20 ? 2 : 0)
  })

  test('uses the pipes of the one before', async () => {
    app.behave(echo)
    for (let i = 0; i < 3; i++) {
      const client = await dial(port)
      client.end(Buffer.alloc(3_000_000, i))
      expect((await readAll(client)).length).toBe(3_000_000)
      await waitFor('the relay to end', () => proxy.ends.length === i + 1)
      expect(proxy.pipes.idleCount).toBe(2)
    }
  })

  test('moves to splice only after 1 MiB', async () => {
    app.behave((socket) => void socket.resume())
    const client = await dial(port)
    await waitFor('the relay', () => proxy.relays.size === 1)
    const [relay] = [...proxy.relays]
    client.write(Buffer.alloc(1_000_000))
    await waitFor('a million bytes', () => relay?.bytesUp === 1_000_000)
    expect(relay?.splicedDirections).toBe(0)
    client.write(Buffer.alloc(1_000_000))
    await waitFor('two million bytes', () => relay?.bytesUp === 2_000_000)
    expect(relay?.splicedDirections).toBe(1)
    client.destroy()
  })

  test('goes on one way after the other has finished', async () => {
    app.behave(
      (socket) =>
        void readAll(socket).then((heard) => socket.end(Buffer.concat([heard, Buffer.alloc(3_000_000)]))),
    )
    const client = await dial(port)
    client.end('request')
    expect((await readAll(client)).length).toBe(3_000_007)
  })

  test.each(['client', 'app'] as const)('turns a reset by the %s into a reset of the other', async (who) => {
    const served = new Promise<Socket>((resolve) =>
      app.behave((socket) => socket.once('data', () => resolve(socket))),
    )
    const client = await dial(port)
    client.write('x')
    const appSocket = await served
    const outcome = outcomeOf(who === 'client' ? appSocket : client)
    ;(who === 'client' ? client : appSocket).resetAndDestroy()
    expect(await outcome).toBe('ECONNRESET')
    await waitFor('the relay to end', () => proxy.ends.length === 1)
    expect(proxy.ends).toEqual([
      { kind: 'reset', by: who === 'client' ? 'downstream' : 'upstream', errno: 104 },
    ])
  })

  test('abort() resets both sides and says why', async () => {
    app.behave(echo)
    const client = await dial(port)
    client.write('x')
    await once(client, 'data')
    const outcomes = Promise.all([outcomeOf(client), ...[...app.sockets].map(outcomeOf)])
    for (const relay of Array.from(proxy.relays)) relay.abort('policy changed')
    expect(await outcomes).toEqual(['ECONNRESET', 'ECONNRESET'])
    expect(proxy.ends).toEqual([{ kind: 'aborted', reason: 'policy changed' }])
  })

  test('to nobody resets the client', async () => {
    const closed = proxy.servePlaintext(1)
    base = openDescriptors()
    expect(await outcomeOf(await dial(closed))).toBe('ECONNRESET')
    expect(proxy.ends).toMatchObject([{ kind: 'connect-failed', errno: 111 }])
  })

  test('resets in the middle of a flood both ways free everything', async () => {
    app.behave((socket) => flood(socket.resume()))
    for (let i = 0; i < 20; i++) {
      const client = await dial(port)
      flood(client.resume())
      await waitFor('some bytes to pass', () => client.bytesRead > random.below(4_000_000))
      client.resetAndDestroy()
    }
    await waitFor('the relays to end', () => proxy.ends.length === 20)
    expect(new Set(proxy.endKinds())).toEqual(new Set(['reset']))
  })

  test('a reader that is stuck stops its sender in bounded memory', async () => {
    app.behave((socket) => void socket.pause())
    const client = await dial(port)
    client.write(Buffer.alloc(40_000_000))
    const carried = (): number => [...proxy.relays][0]?.bytesUp ?? -1
    await waitFor('the first bytes', () => carried() > 0)
    await waitFor('the sender to be stopped', settled(carried))
    expect(carried()).toBeLessThan(20_000_000)
    expect(carried()).toBeGreaterThan(1 << 20)
    client.destroy()
  })
})
