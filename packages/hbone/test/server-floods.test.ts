import { waitFor } from '@ambient/testkit'
import { describe, expect, test } from 'vitest'
import {
  encodeFrame,
  pingFrame,
  rstStreamFrame,
  settingsFrame,
  windowUpdateFrame,
} from '../src/encode-frame.ts'
import { FLAG, FRAME, H2_CODE, MAX_WINDOW, SETTING } from '../src/h2-constants.ts'
import { connectFrame, goawayOf, statusOf, useServer } from './server-fixture.ts'
import { flood } from './sockets.ts'

const server = useServer()
const zeros = (length: number): Uint8Array => new Uint8Array(length)

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
    {
      name: 'opening and resetting',
      frames: (i: number) => [connectFrame(i * 2 + 3), rstStreamFrame(i * 2 + 3, H2_CODE.cancel)],
    },
    {
      name: 'RST_STREAM on a closed stream',
      frames: (i: number) => [...(i === 0 ? [rstStreamFrame(1, 8)] : []), rstStreamFrame(1, 8)],
    },
    {
      name: 'stream errors',
      frames: (i: number) => [connectFrame(i * 2 + 3), windowUpdateFrame(i * 2 + 3, 0)],
    },
    { name: 'streams over the limit', frames: (i: number) => [connectFrame(i * 2 + 3)] },
  ])('$name end with GOAWAY ENHANCE_YOUR_CALM and an idle worker', async ({ frames }) => {
    server.hops().app.behave(() => {})
    const { peer, proxy } = await server.connect()
    peer.request(1)
    expect(await statusOf(peer, 1)).toBe(200)
    const first = proxy.ends.length
    for (let i = 0; i < 3000 && peer.of('goaway').length === 0; i++) {
      peer.send(...frames(i))
      if (i % 100 === 99)
        await waitFor(
          'the peer to be heard',
          () => peer.socket.writableLength === 0 || peer.outcome !== undefined,
        )
    }
    expect(await goawayOf(peer)).toBe(H2_CODE.enhanceYourCalm)
    expect(proxy.sessionEnds).toMatchObject([{ kind: 'protocol-error', code: H2_CODE.enhanceYourCalm }])
    expect(proxy.ends.length).toBeGreaterThan(first)
  })

  test('600 resets by the app after the 200 are no flood', async () => {
    server.hops().app.behave(() => {})
    const { peer } = await server.connect({ floodBurst: 50, floodPerSecond: 1 })
    for (let i = 0; i < 600; i += 50) {
      const ids = Array.from({ length: 50 }, (_, k) => (i + k) * 2 + 1)
      for (const id of ids) peer.request(id)
      await waitFor('50 answers', () => ids.every((id) => peer.statusOf(id) === 200))
      peer.frames.length = 0
      for (const id of ids) peer.send(rstStreamFrame(id, H2_CODE.connectError))
    }
    peer.request(1201)
    expect(await statusOf(peer, 1201)).toBe(200)
  })

  test('a peer that does not read its answers is cut off, in bounded memory', async () => {
    server.hops().app.behave((socket) => flood(socket))
    const { peer, proxy } = await server.connect({ floodBurst: 1e9 }, [
      [SETTING.initialWindowSize, MAX_WINDOW],
    ])
    peer.send(windowUpdateFrame(0, MAX_WINDOW - 65_535))
    peer.socket.pause()
    peer.request(1)
    const pings = Buffer.concat(Array.from({ length: 1000 }, () => pingFrame(zeros(8))))
    await waitFor(
      'the session to end',
      () => {
        if (peer.socket.writableLength < 1e6) peer.socket.write(pings)
        return proxy.sessionEnds.length > 0
      },
      { deadlineMs: 10_000 },
    )
    expect(proxy.sessionEnds).toEqual([{ kind: 'peer-deaf' }])
    peer.socket.destroy()
  })
})
