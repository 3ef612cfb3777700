/** A server session against a peer that sends what no library would. HTTP/2 without TLS: the frames are the point. */
import { tcpSocket } from '@ambient/linux'
import { waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeFrame, pingFrame, rstStreamFrame, settingsFrame, windowUpdateFrame } from '../src/encode-frame.ts'
import { encodeHeaders } from '../src/encode-headers.ts'
import { FLAG, FRAME, H2_CODE, MAX_WINDOW, SETTING } from '../src/h2-constants.ts'
import type { HboneLimits, Tunnel } from '../src/index.ts'
import { CONNECT, RawPeer } from './raw-peer.ts'
import { dial, echo, readAll } from './sockets.ts'
import { TestProxy } from './test-proxy.ts'
import { twoHops, type TwoHops } from './two-hops.ts'

const zeros = (length: number): Uint8Array => new Uint8Array(length)
const peers: RawPeer[] = []
const proxies: TestProxy[] = []
let hops: TwoHops

beforeAll(async () => {
  hops = await twoHops()
})
afterAll(() => hops[Symbol.asyncDispose]())
beforeEach(() => hops.app.behave(echo))
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.destroy()
  for (const proxy of proxies.splice(0)) {
    await waitFor('sessions to end', () => proxy.servers.size === 0)
    expect(proxy.open).toBe(0)
    proxy.close()
  }
  await hops.expectQuiet()
})

/** A peer of a fresh proxy, so that limits can be the test's own. */
async function connect(
  limits: Partial<HboneLimits> = {},
  settings: readonly (readonly [number, number])[] = [],
): Promise<{ peer: RawPeer; proxy: TestProxy }> {
  const proxy = new TestProxy({ loop: hops.pump.loop, limits })
  proxies.push(proxy)
  const peer = await RawPeer.connect(proxy.serveInbound(hops.app.port), settings)
  peers.push(peer)
  await waitFor('the settings to be acknowledged', () => peer.of('settings-ack').length > 0)
  return { peer, proxy }
}

async function expectGoaway(peer: RawPeer, code: number): Promise<void> {
  await waitFor('a GOAWAY', () => peer.of('goaway').length > 0)
  expect(peer.of('goaway').map((frame) => frame.value)).toEqual([code])
  await waitFor('the connection to end', () => peer.outcome !== undefined)
  expect(peer.outcome).toBe('end')
  peer.socket.end()
}

async function expectReset(peer: RawPeer, streamId: number, code: number): Promise<void> {
  await waitFor(`a reset of stream ${streamId}`, () => peer.of('rst', streamId).length > 0)
  expect(peer.of('rst', streamId).map((frame) => frame.value)).toEqual([code])
}

async function answered(peer: RawPeer, streamId: number, status: number = 200): Promise<void> {
  await waitFor(`an answer on stream ${streamId}`, () => peer.statusOf(streamId) !== undefined)
  expect(peer.statusOf(streamId)).toBe(status)
}

describe('streams', () => {
  test('END_STREAM on HEADERS is a FIN for the app, which may still answer', async () => {
    hops.app.behave((socket) => void readAll(socket).then((heard) => socket.end(`heard ${heard.length}`)))
    const { peer } = await connect()
    peer.request(1, FLAG.endStream)
    await answered(peer, 1)
    await waitFor('the end of the stream', () => peer.of('data', 1).some((frame) => frame.endStream))
    expect(String(peer.received(1))).toBe('heard 0')
  })

  test('DATA and END_STREAM before the 200 reach the app in full', async () => {
    const { peer } = await connect()
    peer.request(1)
    peer.data(1, Buffer.from('early'), FLAG.endStream)
    await waitFor('the echo', () => String(peer.received(1)) === 'early')
  })

  test('trailers end the stream', async () => {
    const { peer } = await connect()
    peer.request(1)
    peer.data(1, Buffer.from('x'))
    peer.send(encodeFrame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, encodeHeaders([{ name: 'x', value: 'y' }])))
    await waitFor('the end of the echo', () => peer.of('data', 1).some((frame) => frame.endStream))
    expect(String(peer.received(1))).toBe('x')
  })

  test('a window of one byte carries everything, a byte a frame', async () => {
    hops.app.behave(echo)
    const { peer } = await connect({}, [[SETTING.initialWindowSize, 1]])
    peer.request(1)
    peer.data(1, Buffer.from('hello world'), FLAG.endStream)
    for (let length = 1; length <= 11; length++) {
      await waitFor(`${length} bytes`, () => peer.received(1).length === length)
      peer.send(windowUpdateFrame(1, 1))
    }
    expect(String(peer.received(1))).toBe('hello world')
    expect(peer.of('data', 1).every((frame) => frame.value <= 1)).toBe(true)
    await waitFor('the end', () => peer.of('data', 1).some((frame) => frame.endStream))
  })

  test('500 windows of one byte in use are no flood', async () => {
    hops.app.behave((socket) => socket.end(Buffer.alloc(500)))
    const { peer } = await connect({ floodBurst: 50, floodPerSecond: 1 }, [[SETTING.initialWindowSize, 1]])
    peer.request(1)
    for (let length = 1; length <= 500; length++) {
      await waitFor(`${length} bytes`, () => peer.received(1).length >= length, { everyMs: 0 })
      peer.send(windowUpdateFrame(1, 1), windowUpdateFrame(0, 1))
    }
    expect(peer.of('goaway')).toEqual([])
  })

  test('END_STREAM needs no window', async () => {
    hops.app.behave((socket) => socket.end('hello'))
    const { peer } = await connect({}, [[SETTING.initialWindowSize, 5]])
    peer.request(1)
    await waitFor('the end', () => peer.of('data', 1).some((frame) => frame.endStream))
    expect(String(peer.received(1))).toBe('hello')
  })

  test('a smaller initial window holds back what it did not yet allow', async () => {
    hops.app.behave((socket) => socket.write(Buffer.alloc(200)))
    const { peer } = await connect({}, [[SETTING.initialWindowSize, 100]])
    peer.request(1)
    await waitFor('100 bytes', () => peer.received(1).length === 100)
    peer.send(settingsFrame([[SETTING.initialWindowSize, 40]]), windowUpdateFrame(1, 60), pingFrame(zeros(8)))
    await waitFor('the PING to be answered', () => peer.of('ping-ack').length === 1)
    expect(peer.received(1).length).toBe(100)
    peer.send(settingsFrame([[SETTING.initialWindowSize, 50]]))
    await waitFor('10 more bytes', () => peer.received(1).length === 110)
    peer.send(windowUpdateFrame(1, 90))
    await waitFor('the rest', () => peer.received(1).length === 200)
  })

  test('a closed connection window parks tunnels, and all go on in turn when it opens', async () => {
    hops.app.behave((socket) => socket.end(Buffer.alloc(60_000)))
    const { peer } = await connect()
    for (const id of [1, 3, 5]) peer.request(id)
    const total = (): number => [1, 3, 5].reduce((sum, id) => sum + peer.received(id).length, 0)
    await waitFor('a full connection window', () => total() === 65_535)
    peer.send(windowUpdateFrame(0, 60_000))
    await waitFor('60,000 more', () => total() === 125_535)
    peer.send(windowUpdateFrame(0, 60_000))
    await waitFor('everything', () => [1, 3, 5].every((id) => peer.of('data', id).some((frame) => frame.endStream)))
    expect(total()).toBe(180_000)
  })

  test('padding is credited to stream and connection', async () => {
    let heard = 0
    hops.app.behave((socket) => socket.on('data', (part) => (heard += part.length)))
    const { peer } = await connect({ streamWindow: 65_535, maxStreamWindow: 65_535, connectionWindow: 65_535 })
    peer.request(1)
    await answered(peer, 1)
    const padded = Buffer.concat([Buffer.from([255]), Buffer.from('x'), zeros(255)])
    for (let i = 0; i < 800; i += 50) {
      for (let k = 0; k < 50; k++) peer.data(1, padded, FLAG.padded)
      await waitFor('the app to hear it', () => heard === i + 50)
    }
    expect(peer.of('goaway').length + peer.of('rst').length).toBe(0)
  })

  test('a preamble reaches the app before bytes that came before the dial', async () => {
    const { peer, proxy } = await connect()
    proxy.preamble = Buffer.from('PROXY ')
    peer.request(1)
    peer.data(1, Buffer.from('hello'), FLAG.endStream)
    await waitFor('the echo', () => String(peer.received(1)) === 'PROXY hello')
    expect(proxy.tunnels.size).toBeLessThanOrEqual(1)
  })

  test('an exception of the owner ends its tunnel, not the session', async () => {
    const { peer, proxy } = await connect()
    proxy.onRequest = () => {
      throw new Error('a bug')
    }
    peer.request(1)
    await expectReset(peer, 1, H2_CODE.connectError)
    proxy.onRequest = () => {}
    peer.request(3)
    await answered(peer, 3)
    expect(hops.pump.faults.splice(0)).toHaveLength(1)
    expect(proxy.ends).toEqual([{ kind: 'aborted', reason: 'internal fault: Error: a bug' }])
  })
})

describe('an owner', () => {
  test('may close the session from a request, and no later frame of the same read is served', async () => {
    const { peer, proxy } = await connect()
    proxy.onRequest = () => {
      for (const session of proxy.servers) session.close('enough')
    }
    peer.send(connectFrame(1), encodeFrame(FRAME.data, 0, 1, Buffer.from('x')), connectFrame(3), connectFrame(5))
    await waitFor('the session to end', () => proxy.sessionEnds.length === 1)
    expect(proxy.sessionEnds).toEqual([{ kind: 'closed', reason: 'enough' }])
    expect(proxy.requests).toHaveLength(1)
    expect(proxy.ends).toMatchObject([{ kind: 'session-lost', reason: 'enough' }])
  })

  test('may abort a tunnel from its request, with DATA of it in the same read', async () => {
    const { peer, proxy } = await connect()
    proxy.onRequest = (tunnel) => tunnel.abort('policy')
    peer.send(connectFrame(1), encodeFrame(FRAME.data, 0, 1, zeros(1000)))
    await expectReset(peer, 1, H2_CODE.connectError)
    proxy.onRequest = () => {}
    peer.request(3)
    await answered(peer, 3)
  })

  test('that answers twice, or late, or attaches late, harms nobody', async () => {
    const { peer, proxy } = await connect()
    const [session] = proxy.servers
    proxy.status = 0
    let late: Tunnel | undefined
    proxy.onRequest = (tunnel) => void (late = tunnel)
    peer.request(1)
    await waitFor('the request', () => late !== undefined)
    peer.send(rstStreamFrame(1, H2_CODE.cancel))
    await waitFor('the tunnel to end', () => proxy.ends.length === 1)
    if (late === undefined || session === undefined) throw new Error('Cannot find the tunnel')
    session.answer(late, 200)
    session.answer(late, 503)
    late.attach(tcpSocket(), 'connected')
    late.abort('again')
    expect(proxy.ends).toEqual([{ kind: 'peer-reset', code: H2_CODE.cancel }])
    expect(peer.of('headers', 1)).toEqual([])
  })

  test('whose onEnd throws ends its tunnel all the same, and the session goes on', async () => {
    const { peer, proxy } = await connect()
    proxy.status = 0
    proxy.onRequest = (tunnel) => {
      proxy.tunnels.delete(tunnel)
      tunnel.onEnd = () => {
        throw new Error('a bug')
      }
    }
    peer.request(1)
    await waitFor('the request', () => proxy.requests.length === 1)
    peer.send(rstStreamFrame(1, H2_CODE.cancel))
    await waitFor('the fault', () => hops.pump.faults.length === 1)
    hops.pump.faults.length = 0
    proxy.onRequest = () => {}
    proxy.status = 200
    peer.request(3)
    await answered(peer, 3)
  })
})

describe('refusals', () => {
  test.each([
    { name: 'GET', fields: [{ name: ':method', value: 'GET' }, { name: ':scheme', value: 'http' }, { name: ':path', value: '/' }], status: 400 },
    { name: 'an authority without port', fields: [{ name: ':method', value: 'CONNECT' }, { name: ':authority', value: 'web' }], status: 400 },
    { name: 'a header list over its limit', fields: [...CONNECT, { name: 'x', value: 'y'.repeat(3000) }], status: 431 },
  ])('$name is answered $status', async ({ fields, status }) => {
    const { peer, proxy } = await connect({ maxHeaderListBytes: 2000 })
    peer.request(1, 0, fields)
    await answered(peer, 1, status)
    await expectReset(peer, 1, H2_CODE.noError)
    expect(peer.of('headers', 1)[0]?.endStream).toBe(true)
    expect(proxy.requests).toEqual([])
  })

  test('a stream over the limit is refused, and room is given back', async () => {
    hops.app.behave(() => {})
    const { peer } = await connect({ maxStreams: 2 })
    for (const id of [1, 3, 5]) peer.request(id)
    await expectReset(peer, 5, H2_CODE.refusedStream)
    await answered(peer, 1)
    peer.send(rstStreamFrame(1, H2_CODE.cancel))
    peer.request(7)
    await answered(peer, 7)
  })

  test.each([
    { name: 'malformed fields', act: (peer: RawPeer) => peer.request(1, 0, [{ name: 'X', value: 'y' }]), code: H2_CODE.protocolError },
    { name: 'a stream window over 2^31-1', act: opened((peer) => peer.send(windowUpdateFrame(1, MAX_WINDOW))), code: H2_CODE.flowControlError },
    { name: 'a WINDOW_UPDATE of 0', act: opened((peer) => peer.send(windowUpdateFrame(1, 0))), code: H2_CODE.protocolError },
    { name: 'HEADERS in the middle', act: opened((peer) => peer.request(1)), code: H2_CODE.protocolError },
    { name: 'DATA after END_STREAM', act: (peer: RawPeer) => { peer.request(1, FLAG.endStream); peer.data(1, zeros(1)) }, code: H2_CODE.streamClosed },
    { name: 'DATA over the stream window', act: opened((peer) => { for (let i = 0; i < 5; i++) peer.data(1, zeros(16_384)) }), code: H2_CODE.flowControlError },
  ])('$name cost the stream', async ({ act, code }) => {
    const { peer, proxy } = await connect({ streamWindow: 65_536, maxStreamWindow: 65_536 })
    proxy.status = 0
    act(peer)
    await expectReset(peer, 1, code)
    proxy.status = 200
    peer.request(3)
    await answered(peer, 3)
  })

  test.each([
    { name: 'a connection window over 2^31-1', act: (peer: RawPeer) => peer.send(windowUpdateFrame(0, MAX_WINDOW)), code: H2_CODE.flowControlError },
    { name: 'a WINDOW_UPDATE of 0 for the connection', act: (peer: RawPeer) => peer.send(windowUpdateFrame(0, 0)), code: H2_CODE.protocolError },
    { name: 'DATA on an idle stream', act: (peer: RawPeer) => peer.data(1, zeros(1)), code: H2_CODE.protocolError },
    { name: 'RST_STREAM on an idle stream', act: (peer: RawPeer) => peer.send(rstStreamFrame(1, 8)), code: H2_CODE.protocolError },
    { name: 'WINDOW_UPDATE on an idle stream', act: (peer: RawPeer) => peer.send(windowUpdateFrame(1, 1)), code: H2_CODE.protocolError },
    { name: 'a stream with an even number', act: (peer: RawPeer) => peer.request(2), code: H2_CODE.protocolError },
    { name: 'a stream number that goes back', act: (peer: RawPeer) => { peer.request(5); peer.request(3) }, code: H2_CODE.streamClosed },
    { name: 'a header block that is not HPACK', act: (peer: RawPeer) => peer.send(encodeFrame(FRAME.headers, FLAG.endHeaders, 1, Uint8Array.of(0x80))), code: H2_CODE.compressionError },
    { name: 'an initial window over 2^31-1', act: (peer: RawPeer) => peer.send(settingsFrame([[SETTING.initialWindowSize, MAX_WINDOW + 1]])), code: H2_CODE.flowControlError },
    { name: 'a max frame size under 16,384', act: (peer: RawPeer) => peer.send(settingsFrame([[SETTING.maxFrameSize, 16_383]])), code: H2_CODE.protocolError },
    { name: 'enable push of 2', act: (peer: RawPeer) => peer.send(settingsFrame([[SETTING.enablePush, 2]])), code: H2_CODE.protocolError },
    { name: 'a frame over 1 MiB', act: (peer: RawPeer) => peer.send(encodeFrame(FRAME.data, 0, 1, zeros((1 << 20) + 1))), code: H2_CODE.frameSizeError },
  ])('$name cost the connection', async ({ act, code }) => {
    const { peer } = await connect()
    act(peer)
    await expectGoaway(peer, code)
  })

  test('DATA over the connection window costs the connection', async () => {
    const { peer, proxy } = await connect({ connectionWindow: 65_535, bufferedBeforeDebt: 0 })
    proxy.status = 0
    peer.request(1)
    peer.request(3)
    for (let i = 0; i < 200; i++) peer.data(i % 2 === 0 ? 1 : 3, zeros(16_384))
    await expectGoaway(peer, H2_CODE.flowControlError)
  })
})

describe('floods', () => {
  test.each([
    { name: 'PING', frames: () => [pingFrame(zeros(8))] },
    { name: 'unasked PING answers', frames: () => [pingFrame(zeros(8), FLAG.ack)] },
    { name: 'SETTINGS', frames: () => [settingsFrame([[SETTING.initialWindowSize, 70_000]])] },
    { name: 'unasked SETTINGS answers', frames: () => [encodeFrame(FRAME.settings, FLAG.ack, 0)] },
    { name: 'PRIORITY', frames: () => [encodeFrame(FRAME.priority, 0, 9, Uint8Array.of(0, 0, 0, 0, 1))] },
    { name: 'unknown frames', frames: () => [encodeFrame(0x77, 0, 0, zeros(3))] },
    { name: 'GOAWAY', frames: () => [encodeFrame(FRAME.goaway, 0, 0, zeros(8))] },
    { name: 'empty DATA', frames: () => [encodeFrame(FRAME.data, 0, 1)] },
    { name: 'WINDOW_UPDATE by 1', frames: () => [windowUpdateFrame(1, 1)] },
    { name: 'WINDOW_UPDATE by 1 for the connection', frames: () => [windowUpdateFrame(0, 1)] },
    { name: 'opening and resetting', frames: (i: number) => [connectFrame(i * 2 + 3), rstStreamFrame(i * 2 + 3, H2_CODE.cancel)] },
    { name: 'RST_STREAM on a closed stream', frames: (i: number) => [...(i === 0 ? [rstStreamFrame(1, 8)] : []), rstStreamFrame(1, 8)] },
    { name: 'stream errors', frames: (i: number) => [connectFrame(i * 2 + 3), windowUpdateFrame(i * 2 + 3, 0)] },
    { name: 'streams over the limit', frames: (i: number) => [connectFrame(i * 2 + 3)] },
  ])('$name end with GOAWAY ENHANCE_YOUR_CALM and an idle worker', async ({ frames }) => {
    hops.app.behave(() => {})
    const { peer, proxy } = await connect()
    peer.request(1)
    await answered(peer, 1)
    const first = proxy.ends.length
    for (let i = 0; i < 3000 && peer.of('goaway').length === 0; i++) {
      peer.send(...frames(i))
      if (i % 100 === 99) await waitFor('the peer to be heard', () => peer.socket.writableLength === 0 || peer.outcome !== undefined)
    }
    await expectGoaway(peer, H2_CODE.enhanceYourCalm)
    expect(proxy.sessionEnds).toMatchObject([{ kind: 'protocol-error', code: H2_CODE.enhanceYourCalm }])
    expect(proxy.ends.length).toBeGreaterThan(first)
  })

  test('600 resets by the app after the 200 are no flood', async () => {
    hops.app.behave(() => {})
    const { peer } = await connect({ floodBurst: 50, floodPerSecond: 1 })
    for (let i = 0; i < 600; i += 50) {
      const ids = Array.from({ length: 50 }, (_, k) => (i + k) * 2 + 1)
      for (const id of ids) peer.request(id)
      await waitFor('50 answers', () => ids.every((id) => peer.statusOf(id) === 200))
      peer.frames.length = 0
      for (const id of ids) peer.send(rstStreamFrame(id, H2_CODE.connectError))
    }
    peer.request(1201)
    await answered(peer, 1201)
  })

  test('a peer that does not read its answers is cut off, in bounded memory', async () => {
    hops.app.behave((socket) => {
      const push = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
      }
      socket.on('drain', push)
      push()
    })
    const { peer, proxy } = await connect({ floodBurst: 1e9 }, [[SETTING.initialWindowSize, MAX_WINDOW]])
    peer.send(windowUpdateFrame(0, MAX_WINDOW - 65_535))
    peer.socket.pause()
    peer.request(1)
    const pings = Buffer.concat(Array.from({ length: 1000 }, () => pingFrame(zeros(8))))
    await waitFor('the session to end', () => {
      if (peer.socket.writableLength < 1e6) peer.socket.write(pings)
      return proxy.sessionEnds.length > 0
    }, { deadlineMs: 10_000 })
    expect(proxy.sessionEnds).toEqual([{ kind: 'peer-deaf' }])
    peer.socket.destroy()
  })
})

describe('time', () => {
  test('a peer that does not answer pings is cut off and its tunnels are reset', async () => {
    const { peer, proxy } = await connect({ pingMs: 20, pingAnswerMs: 60 })
    peer.answersPings = false
    peer.request(1)
    await waitFor('the session to end', () => proxy.sessionEnds.length > 0)
    expect(proxy.sessionEnds).toEqual([{ kind: 'peer-silent' }])
    expect(proxy.ends).toMatchObject([{ kind: 'session-lost', session: { kind: 'peer-silent' } }])
  })

  test('a peer that answers pings lives on', async () => {
    const { peer, proxy } = await connect({ pingMs: 10, pingAnswerMs: 30 })
    await waitFor('ten pings', () => peer.of('ping').length >= 10)
    expect(proxy.sessionEnds).toEqual([])
  })

  test('a peer that never says its preface is closed', async () => {
    const proxy = new TestProxy({ loop: hops.pump.loop, limits: { handshakeMs: 50 } })
    proxies.push(proxy)
    const port = proxy.serveInbound(hops.app.port)
    const good = await RawPeer.connect(port)
    peers.push(good)
    const silent = await dial(port)
    await waitFor('the silent one to be closed', () => proxy.sessionEnds.length === 1)
    expect(proxy.sessionEnds).toEqual([{ kind: 'handshake-failed', stage: 'h2', reason: 'timed out' }])
    good.request(1)
    await answered(good, 1)
    silent.destroy()
  })
})

describe('drain()', () => {
  test('says GOAWAY twice, serves what raced the first, refuses what missed the second', async () => {
    hops.app.behave(echo)
    const { peer, proxy } = await connect()
    peer.answersPings = false
    peer.request(1)
    await answered(peer, 1)
    const [session] = proxy.servers
    session?.drain()
    await waitFor('the first GOAWAY', () => peer.of('goaway').length === 1)
    expect(peer.of('goaway')[0]?.streamId).toBe(MAX_WINDOW)
    peer.request(3)
    await answered(peer, 3)
    const ping = peer.of('ping').at(-1)
    peer.send(pingFrame(ping?.payload ?? zeros(8), FLAG.ack))
    await waitFor('the second GOAWAY', () => peer.of('goaway').length === 2)
    expect(peer.of('goaway')[1]).toMatchObject({ streamId: 3, value: H2_CODE.noError })
    peer.request(5)
    peer.data(5, Buffer.from('lost'))
    await expectReset(peer, 5, H2_CODE.refusedStream)
    peer.data(1, zeros(0), FLAG.endStream)
    peer.data(3, Buffer.from('last'), FLAG.endStream)
    await waitFor('the connection to end', () => peer.outcome !== undefined)
    expect(String(peer.received(3))).toBe('last')
    expect(peer.outcome).toBe('end')
    expect(proxy.sessionEnds).toEqual([{ kind: 'drained' }])
    peer.socket.end()
  })
})

function connectFrame(streamId: number): Uint8Array {
  return encodeFrame(FRAME.headers, FLAG.endHeaders, streamId, encodeHeaders(CONNECT))
}

/** Opens stream 1 first. */
function opened(act: (peer: RawPeer) => void): (peer: RawPeer) => void {
  return (peer) => {
    peer.request(1)
    act(peer)
  }
}
