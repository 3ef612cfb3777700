/** A server session against a peer that sends what no library would. HTTP/2 without TLS: the frames are the point. */
import { waitFor } from '@ambient/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { encodeFrame } from '../src/encode-frame.ts'
import { encodeHeaders } from '../src/encode-headers.ts'
import { FLAG, FRAME } from '../src/h2-constants.ts'
import type { HboneLimits } from '../src/index.ts'
import { CONNECT, RawPeer } from './raw-peer.ts'
import { echo } from './sockets.ts'
import { TestProxy } from './test-proxy.ts'
import { twoHops, type TwoHops } from './two-hops.ts'

export interface ServerFixture {
  hops(): TwoHops
  /** A proxy with limits of its own, closed after the test. */
  proxy(limits?: Partial<HboneLimits>): TestProxy
  /** A peer of a fresh proxy. */
  connect(
    limits?: Partial<HboneLimits>,
    settings?: readonly (readonly [number, number])[],
  ): Promise<{ peer: RawPeer; proxy: TestProxy }>
  /** A peer of a proxy that is there. */
  connectTo(proxy: TestProxy, settings?: readonly (readonly [number, number])[]): Promise<RawPeer>
}

/** Registers the hooks: after every test nothing is open, no descriptor kept, and the loop asleep. */
export function useServer(): ServerFixture {
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
      await waitFor('sessions to end', () => proxy.servers.size === 0 && proxy.open === 0)
      proxy.close()
    }
    await hops.expectQuiet()
  })
  const proxy: ServerFixture['proxy'] = (limits = {}) => {
    const made = new TestProxy({ loop: hops.pump.loop, limits })
    proxies.push(made)
    return made
  }
  const connectTo: ServerFixture['connectTo'] = async (to, settings = []) => {
    const peer = await RawPeer.connect(to.serveInbound(hops.app.port), settings)
    peers.push(peer)
    await waitFor('the settings to be acknowledged', () => peer.of('settings-ack').length > 0)
    return peer
  }
  return {
    hops: () => hops,
    proxy,
    connectTo,
    connect: async (limits = {}, settings = []) => {
      const made = proxy(limits)
      return { peer: await connectTo(made, settings), proxy: made }
    },
  }
}

/** The one GOAWAY of a connection that then ends in order. */
export async function goawayOf(peer: RawPeer): Promise<number | undefined> {
  await waitFor('a GOAWAY', () => peer.of('goaway').length > 0)
  await waitFor('the connection to end', () => peer.outcome !== undefined)
  expect(peer.outcome).toBe('end')
  expect(peer.of('goaway')).toHaveLength(1)
  peer.socket.end()
  return peer.of('goaway')[0]?.value
}

/** The code of the one RST_STREAM of a stream. */
export async function resetOf(peer: RawPeer, streamId: number): Promise<number | undefined> {
  await waitFor(`a reset of stream ${streamId}`, () => peer.of('rst', streamId).length > 0)
  expect(peer.of('rst', streamId)).toHaveLength(1)
  return peer.of('rst', streamId)[0]?.value
}

export async function statusOf(peer: RawPeer, streamId: number): Promise<number | undefined> {
  await waitFor(`an answer on stream ${streamId}`, () => peer.statusOf(streamId) !== undefined)
  return peer.statusOf(streamId)
}

/** Waits for END_STREAM on DATA; returns all bytes. */
export async function endOf(peer: RawPeer, streamId: number): Promise<string> {
  await waitFor(`the end of stream ${streamId}`, () =>
    peer.of('data', streamId).some((frame) => frame.endStream),
  )
  return String(peer.received(streamId))
}

export function connectFrame(streamId: number): Uint8Array {
  return encodeFrame(FRAME.headers, FLAG.endHeaders, streamId, encodeHeaders(CONNECT))
}
