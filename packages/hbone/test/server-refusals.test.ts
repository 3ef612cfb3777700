import { describe, expect, test } from 'vitest'
import { encodeFrame, rstStreamFrame, settingsFrame, windowUpdateFrame } from '../src/encode-frame.ts'
import { FLAG, FRAME, H2_CODE, MAX_WINDOW, SETTING } from '../src/h2-constants.ts'
import { CONNECT, type RawPeer } from './raw-peer.ts'
import { goawayOf, resetOf, statusOf, useServer } from './server-fixture.ts'

const server = useServer()
const zeros = (length: number): Uint8Array => new Uint8Array(length)

describe('refusals', () => {
  test.each([
    {
      name: 'GET',
      fields: [
        { name: ':method', value: 'GET' },
        { name: ':scheme', value: 'http' },
        { name: ':path', value: '/' },
      ],
      status: 400,
      because: 'method',
    },
    {
      name: 'an authority without port',
      fields: [
        { name: ':method', value: 'CONNECT' },
        { name: ':authority', value: 'web' },
      ],
      status: 400,
      because: 'authority',
    },
    {
      name: 'a header list over its limit',
      fields: [...CONNECT, { name: 'x', value: 'y'.repeat(3000) }],
      status: 431,
      because: 'too-large',
    },
  ])('$name is answered $status, and the owner is told why', async ({ fields, status, because }) => {
    const { peer, proxy } = await server.connect({ maxHeaderListBytes: 2000 })
    peer.request(1, 0, fields)
    expect(await statusOf(peer, 1)).toBe(status)
    expect(await resetOf(peer, 1)).toBe(H2_CODE.noError)
    expect(peer.of('headers', 1)[0]?.endStream).toBe(true)
    expect(proxy.requests).toEqual([])
    expect(proxy.refusals).toEqual([because])
  })

  test('a stream over the limit is refused, and room is given back', async () => {
    server.hops().app.behave(() => {})
    const { peer } = await server.connect({ maxStreams: 2 })
    for (const id of [1, 3, 5]) peer.request(id)
    expect(await resetOf(peer, 5)).toBe(H2_CODE.refusedStream)
    expect(await statusOf(peer, 1)).toBe(200)
    peer.send(rstStreamFrame(1, H2_CODE.cancel))
    peer.request(7)
    expect(await statusOf(peer, 7)).toBe(200)
  })

  test.each([
    {
      name: 'malformed fields',
      act: (peer: RawPeer) => peer.request(1, 0, [{ name: 'X', value: 'y' }]),
      code: H2_CODE.protocolError,
    },
    {
      name: 'a stream window over 2^31-1',
      act: opened((peer) => peer.send(windowUpdateFrame(1, MAX_WINDOW))),
      code: H2_CODE.flowControlError,
    },
    {
      name: 'a WINDOW_UPDATE of 0',
      act: opened((peer) => peer.send(windowUpdateFrame(1, 0))),
      code: H2_CODE.protocolError,
    },
    { name: 'HEADERS in the middle', act: opened((peer) => peer.request(1)), code: H2_CODE.protocolError },
    {
      name: 'DATA after END_STREAM',
      act: (peer: RawPeer) => {
        peer.request(1, FLAG.endStream)
        peer.data(1, zeros(1))
      },
      code: H2_CODE.streamClosed,
    },
    {
      name: 'DATA over the stream window',
      act: opened((peer) => {
        for (let i = 0; i < 5; i++) peer.data(1, zeros(16_384))
      }),
      code: H2_CODE.flowControlError,
    },
  ])('$name cost the stream', async ({ act, code }) => {
    const { peer, proxy } = await server.connect({ streamWindow: 65_536, maxStreamWindow: 65_536 })
    proxy.status = 0
    act(peer)
    expect(await resetOf(peer, 1)).toBe(code)
    proxy.status = 200
    peer.request(3)
    expect(await statusOf(peer, 3)).toBe(200)
  })

  test.each([
    {
      name: 'a connection window over 2^31-1',
      act: (peer: RawPeer) => peer.send(windowUpdateFrame(0, MAX_WINDOW)),
      code: H2_CODE.flowControlError,
    },
    {
      name: 'a WINDOW_UPDATE of 0 for the connection',
      act: (peer: RawPeer) => peer.send(windowUpdateFrame(0, 0)),
      code: H2_CODE.protocolError,
    },
    {
      name: 'DATA on an idle stream',
      act: (peer: RawPeer) => peer.data(1, zeros(1)),
      code: H2_CODE.protocolError,
    },
    {
      name: 'RST_STREAM on an idle stream',
      act: (peer: RawPeer) => peer.send(rstStreamFrame(1, 8)),
      code: H2_CODE.protocolError,
    },
    {
      name: 'WINDOW_UPDATE on an idle stream',
      act: (peer: RawPeer) => peer.send(windowUpdateFrame(1, 1)),
      code: H2_CODE.protocolError,
    },
    {
      name: 'a stream with an even number',
      act: (peer: RawPeer) => peer.request(2),
      code: H2_CODE.protocolError,
    },
    {
      name: 'a stream number that goes back',
      act: (peer: RawPeer) => {
        peer.request(5)
        peer.request(3)
      },
      code: H2_CODE.streamClosed,
    },
    {
      name: 'a header block that is not HPACK',
      act: (peer: RawPeer) => peer.send(encodeFrame(FRAME.headers, FLAG.endHeaders, 1, Uint8Array.of(0x80))),
      code: H2_CODE.compressionError,
    },
    {
      name: 'an initial window over 2^31-1',
      act: (peer: RawPeer) => peer.send(settingsFrame([[SETTING.initialWindowSize, MAX_WINDOW + 1]])),
      code: H2_CODE.flowControlError,
    },
    {
      name: 'a max frame size under 16,384',
      act: (peer: RawPeer) => peer.send(settingsFrame([[SETTING.maxFrameSize, 16_383]])),
      code: H2_CODE.protocolError,
    },
    {
      name: 'enable push of 2',
      act: (peer: RawPeer) => peer.send(settingsFrame([[SETTING.enablePush, 2]])),
      code: H2_CODE.protocolError,
    },
    {
      name: 'a frame over 1 MiB',
      act: (peer: RawPeer) => peer.send(encodeFrame(FRAME.data, 0, 1, zeros((1 << 20) + 1))),
      code: H2_CODE.frameSizeError,
    },
  ])('$name cost the connection', async ({ act, code }) => {
    const { peer } = await server.connect()
    act(peer)
    expect(await goawayOf(peer)).toBe(code)
  })

  test('DATA over the connection window costs the connection', async () => {
    const { peer, proxy } = await server.connect({ connectionWindow: 65_535, bufferedBeforeDebt: 0 })
    proxy.status = 0
    peer.request(1)
    peer.request(3)
    for (let i = 0; i < 200; i++) peer.data(i % 2 === 0 ? 1 : 3, zeros(16_384))
    expect(await goawayOf(peer)).toBe(H2_CODE.flowControlError)
  })
})

/** Opens stream 1 first. */
function opened(act: (peer: RawPeer) => void): (peer: RawPeer) => void {
  return (peer) => {
    peer.request(1)
    act(peer)
  }
}
