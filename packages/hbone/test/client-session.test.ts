/** A client session against a next hop that does what no library would. HTTP/2 without TLS: the frames are the point. */
import { once } from 'node:events'
import { closeDescriptor, listenOn, localAddress, startConnect, tcpSocket } from '@ambient/linux'
import { waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { encodeFrame, goawayFrame, rstStreamFrame, settingsFrame } from '../src/encode-frame.ts'
import { encodeHeaders } from '../src/encode-headers.ts'
import { FLAG, FRAME, H2_CODE } from '../src/h2-constants.ts'
import type { HboneLimits } from '../src/index.ts'
import { listenRaw, type RawPeer } from './raw-peer.ts'
import { dial, outcomeOf, readAll } from './sockets.ts'
import { TestProxy, type OutboundOptions } from './test-proxy.ts'
import { twoHops, type TwoHops } from './two-hops.ts'

interface NextHop {
  readonly port: number
  readonly proxy: TestProxy
  readonly peers: readonly RawPeer[]
  /** Waits for the CONNECT of a stream on a connection. */
  asked(connection: number, streamId: number): Promise<RawPeer>
  close(): Promise<void>
}

let hops: TwoHops
const open: NextHop[] = []

beforeAll(async () => {
  hops = await twoHops()
})
afterAll(() => hops[Symbol.asyncDispose]())
afterEach(async () => {
  for (const hop of open.splice(0)) await hop.close()
  await hops.expectQuiet()
})

async function nextHop(options: OutboundOptions = {}, limits: Partial<HboneLimits> = {}): Promise<NextHop> {
  const peers: RawPeer[] = []
  const raw = await listenRaw((peer) => {
    peers.push(peer)
    peer.send(settingsFrame([]))
  })
  const proxy = new TestProxy({ loop: hops.pump.loop, limits })
  const hop: NextHop = {
    port: proxy.serveOutbound(raw.port, options),
    proxy,
    peers,
    asked: async (connection, streamId) => {
      await waitFor(
        `a CONNECT on stream ${streamId}`,
        () => (peers[connection]?.of('headers', streamId).length ?? 0) > 0,
      )
      const peer = peers[connection]
      if (peer === undefined) throw new Error(`Cannot find connection ${connection}`)
      return peer
    },
    close: async () => {
      proxy.close()
      await waitFor('tunnels to end', () => proxy.open === 0)
      await raw.close()
    },
  }
  open.push(hop)
  return hop
}

function answer(peer: RawPeer, streamId: number, status: number, flags = 0): void {
  peer.send(
    encodeFrame(
      FRAME.headers,
      FLAG.endHeaders | flags,
      streamId,
      encodeHeaders([{ name: ':status', value: String(status) }]),
    ),
  )
}

describe('before the 200', () => {
  test('nothing of the app is sent', async () => {
    const hop = await nextHop()
    const client = await dial(hop.port)
    client.end('early')
    const peer = await hop.asked(0, 1)
    answer(peer, 1, 103)
    peer.send(encodeFrame(FRAME.ping, 0, 0, new Uint8Array(8)))
    await waitFor('the PING to be answered', () => peer.of('ping-ack').length === 1)
    expect(peer.of('data')).toEqual([])
    answer(peer, 1, 200)
    await waitFor('the end', () => peer.of('data', 1).some((frame) => frame.endStream))
    expect(String(peer.received(1))).toBe('early')
    client.destroy()
  })

  test('a reset by the app is noticed', async () => {
    const hop = await nextHop()
    const client = await dial(hop.port)
    const peer = await hop.asked(0, 1)
    client.resetAndDestroy()
    await waitFor('RST_STREAM', () => peer.of('rst', 1).length === 1)
    expect(peer.of('rst', 1)[0]?.value).toBe(H2_CODE.connectError)
    expect(hop.proxy.endKinds()).toEqual(['local-reset'])
  })

  test('a refused stream is tried again with the same socket, and no byte is lost', async () => {
    const hop = await nextHop()
    const client = await dial(hop.port)
    client.end('hello')
    const peer = await hop.asked(0, 1)
    peer.send(rstStreamFrame(1, H2_CODE.refusedStream))
    await hop.asked(0, 3)
    answer(peer, 3, 200)
    await waitFor('the end', () => peer.of('data', 3).some((frame) => frame.endStream))
    expect(String(peer.received(3))).toBe('hello')
    client.destroy()
  })

  test('three refusals are a reset for the app', async () => {
    const hop = await nextHop()
    const client = await dial(hop.port)
    const outcome = outcomeOf(client)
    for (const id of [1, 3, 5]) (await hop.asked(0, id)).send(rstStreamFrame(id, H2_CODE.refusedStream))
    expect(await outcome).toBe('ECONNRESET')
    expect(hop.proxy.endKinds()).toEqual(['not-taken'])
  })

  test('a request that is not answered in time is given up, and the socket is the owner’s again', async () => {
    const hop = await nextHop({}, { pingMs: 20, answerMs: 50 })
    const outcome = outcomeOf(await dial(hop.port))
    const peer = await hop.asked(0, 1)
    await waitFor('RST_STREAM', () => peer.of('rst', 1).length === 1)
    expect(peer.of('rst', 1)[0]?.value).toBe(H2_CODE.cancel)
    expect([await outcome, hop.proxy.endKinds()]).toEqual(['ECONNRESET', ['unanswered']])
  })

  test('DATA is an error of the peer, and nothing of it reaches the app', async () => {
    const hop = await nextHop()
    const client = await dial(hop.port)
    const outcome = outcomeOf(client)
    const peer = await hop.asked(0, 1)
    peer.send(encodeFrame(FRAME.data, 0, 1, Buffer.from('early')))
    await waitFor('RST_STREAM', () => peer.of('rst', 1).length === 1)
    expect(peer.of('rst', 1)[0]?.value).toBe(H2_CODE.protocolError)
    expect([await outcome, client.bytesRead]).toEqual(['ECONNRESET', 0])
  })

  test('GOAWAY below a stream sends it to another connection, and those above finish here', async () => {
    const hop = await nextHop()
    const first = await dial(hop.port)
    const peer = await hop.asked(0, 1)
    answer(peer, 1, 200)
    const second = await dial(hop.port)
    await hop.asked(0, 3)
    peer.send(goawayFrame(1, H2_CODE.noError))
    const other = await hop.asked(1, 1)
    answer(other, 1, 200)
    second.write('moved')
    await waitFor('the bytes on the other connection', () => String(other.received(1)) === 'moved')
    first.write('stays')
    await waitFor('the bytes on the first connection', () => String(peer.received(1)) === 'stays')
    expect(hop.proxy.pool.size).toBe(1)
    first.resetAndDestroy()
    second.resetAndDestroy()
    await waitFor('the first connection to end', () => peer.outcome !== undefined)
    peer.socket.end()
    expect(peer.outcome).toBe('end')
  })

  test.each([
    { name: 'without END_STREAM', flags: 0, resets: [H2_CODE.cancel] },
    { name: 'with END_STREAM', flags: FLAG.endStream, resets: [] },
  ])('an answer of 503 $name resets the app', async ({ flags, resets }) => {
    const hop = await nextHop()
    const client = await dial(hop.port)
    const outcome = outcomeOf(client)
    const peer = await hop.asked(0, 1)
    answer(peer, 1, 503, flags)
    expect(await outcome).toBe('ECONNRESET')
    expect(hop.proxy.ends).toEqual([{ kind: 'refused', status: 503 }])
    await waitFor('the resets', () => peer.of('rst', 1).length === resets.length)
    expect(peer.of('rst', 1).map((frame) => frame.value)).toEqual(resets)
  })

  test('an answer without status costs the stream', async () => {
    const hop = await nextHop()
    const outcome = outcomeOf(await dial(hop.port))
    const peer = await hop.asked(0, 1)
    peer.send(encodeFrame(FRAME.headers, FLAG.endHeaders, 1, encodeHeaders([{ name: 'x', value: 'y' }])))
    expect(await outcome).toBe('ECONNRESET')
    expect(hop.proxy.ends).toEqual([{ kind: 'stream-error', code: H2_CODE.protocolError }])
  })
})

describe('the end of a tunnel', () => {
  test('END_STREAM on the answer is a FIN for the app, which may still send', async () => {
    const hop = await nextHop()
    const client = await dial(hop.port)
    const ended = once(client, 'end')
    client.resume()
    const peer = await hop.asked(0, 1)
    answer(peer, 1, 200, FLAG.endStream)
    await ended
    client.end('still here')
    await waitFor('the end', () => peer.of('data', 1).some((frame) => frame.endStream))
    expect(String(peer.received(1))).toBe('still here')
  })

  test('CONNECT_ERROR from a waypoint is a normal end: every byte, then a FIN', async () => {
    const hop = await nextHop({ isWaypoint: true })
    const client = await dial(hop.port)
    client.pause()
    const peer = await hop.asked(0, 1)
    answer(peer, 1, 200)
    client.write('request')
    await waitFor('the request', () => String(peer.received(1)) === 'request')
    const payload = Buffer.alloc(60_000, 'waypoint')
    peer.send(
      ...Array.from({ length: 6 }, (_, i) =>
        encodeFrame(FRAME.data, 0, 1, payload.subarray(i * 10_000, (i + 1) * 10_000)),
      ),
    )
    peer.send(rstStreamFrame(1, H2_CODE.connectError))
    // Bytes that nobody will read: they must not make our kernel reset what the app has not read yet.
    client.write('more')
    await waitFor('the stream to be over', () => [...hop.proxy.clients][0]?.tunnels.size === 0)
    const answerBytes = await readAll(client)
    expect(answerBytes.equals(payload)).toBe(true)
    client.end()
    await waitFor('the tunnel to end', () => hop.proxy.ends.length === 1)
    expect(hop.proxy.ends).toEqual([{ kind: 'completed' }])
  })

  test('CONNECT_ERROR from a waypoint delivers megabytes to a slow reader', async () => {
    const hop = await nextHop({ isWaypoint: true })
    const client = await dial(hop.port)
    client.pause()
    const peer = await hop.asked(0, 1)
    answer(peer, 1, 200)
    peer.send(
      ...Array.from({ length: 60 }, () => encodeFrame(FRAME.data, 0, 1, new Uint8Array(16_384))),
      rstStreamFrame(1, H2_CODE.connectError),
    )
    await waitFor('the stream to be over', () => [...hop.proxy.clients][0]?.tunnels.size === 0)
    expect((await readAll(client)).length).toBe(60 * 16_384)
    client.end()
  })

  test('an app that does not hang up after a waypoint did is closed in time', async () => {
    const hop = await nextHop({ isWaypoint: true }, { discardMs: 50 })
    const client = await dial(hop.port)
    client.resume()
    const peer = await hop.asked(0, 1)
    answer(peer, 1, 200)
    peer.send(rstStreamFrame(1, H2_CODE.connectError))
    await once(client, 'end')
    await waitFor('the tunnel to end', () => hop.proxy.ends.length === 1)
    expect(hop.proxy.ends).toEqual([{ kind: 'completed' }])
    client.destroy()
  })

  test('CONNECT_ERROR from a waypoint before the 200 is a reset', async () => {
    const hop = await nextHop({ isWaypoint: true })
    const outcome = outcomeOf(await dial(hop.port))
    const peer = await hop.asked(0, 1)
    peer.send(rstStreamFrame(1, H2_CODE.connectError))
    expect(await outcome).toBe('ECONNRESET')
  })

  test('CONNECT_ERROR from a ztunnel is a reset', async () => {
    const hop = await nextHop()
    const outcome = outcomeOf(await dial(hop.port))
    const peer = await hop.asked(0, 1)
    answer(peer, 1, 200)
    peer.send(rstStreamFrame(1, H2_CODE.connectError))
    expect(await outcome).toBe('ECONNRESET')
    expect(hop.proxy.ends).toEqual([{ kind: 'peer-reset', code: H2_CODE.connectError }])
  })

  test('NO_ERROR after END_STREAM is a normal end, before it a reset', async () => {
    const hop = await nextHop()
    const finished = await dial(hop.port)
    const peer = await hop.asked(0, 1)
    answer(peer, 1, 200)
    peer.send(
      encodeFrame(FRAME.data, FLAG.endStream, 1, Buffer.from('all')),
      rstStreamFrame(1, H2_CODE.noError),
    )
    expect(String(await readAll(finished))).toBe('all')
    finished.end()
    const cut = outcomeOf(await dial(hop.port))
    await hop.asked(0, 3)
    answer(peer, 3, 200)
    peer.send(encodeFrame(FRAME.data, 0, 3, Buffer.from('some')), rstStreamFrame(3, H2_CODE.noError))
    expect(await cut).toBe('ECONNRESET')
  })

  test('a connection that dies resets every app', async () => {
    const hop = await nextHop()
    const outcomes = Promise.all([outcomeOf(await dial(hop.port)), outcomeOf(await dial(hop.port))])
    const peer = await hop.asked(0, 3)
    answer(peer, 1, 200)
    peer.socket.resetAndDestroy()
    expect(await outcomes).toEqual(['ECONNRESET', 'ECONNRESET'])
    expect(hop.proxy.ends).toMatchObject([
      { kind: 'session-lost', session: { kind: 'connection-lost' } },
      { kind: 'session-lost', session: { kind: 'connection-lost' } },
    ])
  })
})

describe('a dial', () => {
  test('that is refused fails all who wait for it at once', async () => {
    const proxy = new TestProxy({ loop: hops.pump.loop })
    const port = proxy.serveOutbound(1)
    const clients = await Promise.all(Array.from({ length: 50 }, () => dial(port)))
    expect(new Set(await Promise.all(clients.map(outcomeOf)))).toEqual(new Set(['ECONNRESET']))
    await waitFor('50 ends', () => proxy.ends.length === 50)
    expect(proxy.ends[0]).toMatchObject({
      kind: 'session-lost',
      session: { kind: 'connect-failed', errno: 111 },
    })
    proxy.close()
  })

  test('that hangs fails in time, for all at once', async () => {
    const full = fullListener()
    const proxy = new TestProxy({ loop: hops.pump.loop, limits: { connectMs: 100 } })
    const port = proxy.serveOutbound(full.port)
    const clients = await Promise.all(Array.from({ length: 10 }, () => dial(port)))
    expect(new Set(await Promise.all(clients.map(outcomeOf)))).toEqual(new Set(['ECONNRESET']))
    await waitFor('ten ends', () => proxy.ends.length === 10)
    expect(proxy.ends[0]).toMatchObject({
      kind: 'session-lost',
      session: { kind: 'connect-failed', errno: 110 },
    })
    expect(proxy.dials).toBe(1)
    proxy.close()
    full.close()
  })

  test('to an app that hangs is answered 503 in time, inside and out', async () => {
    const full = fullListener()
    const b = new TestProxy({ loop: hops.pump.loop, limits: { connectMs: 100 } })
    const a = new TestProxy({ loop: hops.pump.loop })
    const port = a.serveOutbound(b.serveInbound(full.port))
    expect(await outcomeOf(await dial(port))).toBe('ECONNRESET')
    expect(b.ends).toEqual([{ kind: 'connect-failed', errno: 110 }])
    expect(a.ends).toEqual([{ kind: 'refused', status: 503 }])
    const plain = b.servePlaintext(full.port)
    expect(await outcomeOf(await dial(plain))).toBe('ECONNRESET')
    expect(b.ends[1]).toMatchObject({ kind: 'connect-failed', errno: 110 })
    a.close()
    b.close()
    full.close()
  })

  test('that is given up by the owner resets the apps that wait', async () => {
    const full = fullListener()
    const proxy = new TestProxy({ loop: hops.pump.loop })
    const port = proxy.serveOutbound(full.port)
    const outcome = outcomeOf(await dial(port))
    await waitFor('the dial', () => proxy.clients.size === 1)
    proxy.pool.drain()
    expect([...proxy.clients][0]?.hasRoom).toBe(false)
    proxy.pool.close('node is going down')
    expect(await outcome).toBe('ECONNRESET')
    expect(proxy.ends).toMatchObject([
      { kind: 'session-lost', session: { kind: 'closed', reason: 'node is going down' } },
    ])
    proxy.close()
    full.close()
  })
})

/** A listening socket whose queue is full: the next SYN is dropped, so that a dial to it hangs. */
function fullListener(): { port: number; close(): void } {
  const listening = listenOn({ ip: '127.0.0.1', port: 0 }, { backlog: 0 })
  const { port } = localAddress(listening)
  const fillers = Array.from({ length: 3 }, () => {
    const fd = tcpSocket()
    startConnect(fd, { ip: '127.0.0.1', port })
    return fd
  })
  return { port, close: () => [listening, ...fillers].forEach(closeDescriptor) }
}
