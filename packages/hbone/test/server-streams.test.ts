import { waitFor } from '@ambient/testkit'
import { describe, expect, test } from 'vitest'
import { encodeFrame, pingFrame, settingsFrame, windowUpdateFrame } from '../src/encode-frame.ts'
import { encodeHeaders } from '../src/encode-headers.ts'
import { FLAG, FRAME, H2_CODE, SETTING } from '../src/h2-constants.ts'
import { resetOf, statusOf, useServer } from './server-fixture.ts'
import { echo, readAll } from './sockets.ts'

const server = useServer()
const zeros = (length: number): Uint8Array => new Uint8Array(length)

describe('streams', () => {
  test('END_STREAM on HEADERS is a FIN for the app, which may still answer', async () => {
    server
      .hops()
      .app.behave((socket) => void readAll(socket).then((heard) => socket.end(`heard ${heard.length}`)))
    const { peer } = await server.connect()
    peer.request(1, FLAG.endStream)
    expect(await statusOf(peer, 1)).toBe(200)
    await waitFor('the end of the stream', () => peer.of('data', 1).some((frame) => frame.endStream))
    expect(String(peer.received(1))).toBe('heard 0')
  })

  test('DATA and END_STREAM before the 200 reach the app in full', async () => {
    const { peer } = await server.connect()
    peer.request(1)
    peer.data(1, Buffer.from('early'), FLAG.endStream)
    await waitFor('the echo', () => String(peer.received(1)) === 'early')
  })

  test('trailers end the stream', async () => {
    const { peer } = await server.connect()
    peer.request(1)
    peer.data(1, Buffer.from('x'))
    peer.send(
      encodeFrame(
        FRAME.headers,
        FLAG.endHeaders | FLAG.endStream,
        1,
        encodeHeaders([{ name: 'x', value: 'y' }]),
      ),
    )
    await waitFor('the end of the echo', () => peer.of('data', 1).some((frame) => frame.endStream))
    expect(String(peer.received(1))).toBe('x')
  })

  test('a window of one byte carries everything, a byte a frame', async () => {
    server.hops().app.behave(echo)
    const { peer } = await server.connect({}, [[SETTING.initialWindowSize, 1]])
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
    server.hops().app.behave((socket) => socket.end(Buffer.alloc(500)))
    const { peer } = await server.connect({ floodBurst: 50, floodPerSecond: 1 }, [
      [SETTING.initialWindowSize, 1],
    ])
    peer.request(1)
    for (let length = 1; length <= 500; length++) {
      await waitFor(`${length} bytes`, () => peer.received(1).length >= length, { everyMs: 0 })
      peer.send(windowUpdateFrame(1, 1), windowUpdateFrame(0, 1))
    }
    expect(peer.of('goaway')).toEqual([])
  })

  test('END_STREAM needs no window', async () => {
    server.hops().app.behave((socket) => socket.end('hello'))
    const { peer } = await server.connect({}, [[SETTING.initialWindowSize, 5]])
    peer.request(1)
    await waitFor('the end', () => peer.of('data', 1).some((frame) => frame.endStream))
    expect(String(peer.received(1))).toBe('hello')
  })

  test('a smaller initial window holds back what it did not yet allow', async () => {
    server.hops().app.behave((socket) => socket.write(Buffer.alloc(200)))
    const { peer } = await server.connect({}, [[SETTING.initialWindowSize, 100]])
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
    server.hops().app.behave((socket) => socket.end(Buffer.alloc(60_000)))
    const { peer } = await server.connect()
    for (const id of [1, 3, 5]) peer.request(id)
    const total = (): number => [1, 3, 5].reduce((sum, id) => sum + peer.received(id).length, 0)
    await waitFor('a full connection window', () => total() === 65_535)
    peer.send(windowUpdateFrame(0, 60_000))
    await waitFor('60,000 more', () => total() === 125_535)
    peer.send(windowUpdateFrame(0, 60_000))
    await waitFor('everything', () =>
      [1, 3, 5].every((id) => peer.of('data', id).some((frame) => frame.endStream)),
    )
    expect(total()).toBe(180_000)
  })

  test('padding is credited to stream and connection', async () => {
    let heard = 0
    server.hops().app.behave((socket) => socket.on('data', (part) => (heard += part.length)))
    const { peer } = await server.connect({
      streamWindow: 65_535,
      maxStreamWindow: 65_535,
      connectionWindow: 65_535,
    })
    peer.request(1)
    expect(await statusOf(peer, 1)).toBe(200)
    const padded = Buffer.concat([Buffer.from([255]), Buffer.from('x'), zeros(255)])
    for (let i = 0; i < 800; i += 50) {
      for (let k = 0; k < 50; k++) peer.data(1, padded, FLAG.padded)
      await waitFor('the app to hear it', () => heard === i + 50)
    }
    expect(peer.of('goaway').length + peer.of('rst').length).toBe(0)
  })

  test('a preamble reaches the app before bytes that came before the dial', async () => {
    const { peer, proxy } = await server.connect()
    proxy.preamble = Buffer.from('PROXY ')
    peer.request(1)
    peer.data(1, Buffer.from('hello'), FLAG.endStream)
    await waitFor('the echo', () => String(peer.received(1)) === 'PROXY hello')
    expect(proxy.tunnels.size).toBeLessThanOrEqual(1)
  })

  test('an exception of the owner ends its tunnel, not the session', async () => {
    const { peer, proxy } = await server.connect()
    proxy.onRequest = () => {
      throw new Error('a bug')
    }
    peer.request(1)
    expect(await resetOf(peer, 1)).toBe(H2_CODE.connectError)
    proxy.onRequest = () => {}
    peer.request(3)
    expect(await statusOf(peer, 3)).toBe(200)
    expect(server.hops().pump.faults.splice(0)).toHaveLength(1)
    expect(proxy.ends).toEqual([{ kind: 'aborted', reason: 'internal fault: Error: a bug' }])
  })
})
