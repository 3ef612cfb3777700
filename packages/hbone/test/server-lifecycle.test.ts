import { waitFor } from '@ambient/testkit'
import { describe, expect, test } from 'vitest'
import { tcpSocket } from '@ambient/linux'
import { encodeFrame, pingFrame, rstStreamFrame, settingsFrame } from '../src/encode-frame.ts'
import { FLAG, FRAME, H2_CODE, MAX_WINDOW } from '../src/h2-constants.ts'
import type { Tunnel } from '../src/index.ts'
import { RawPeer } from './raw-peer.ts'
import { connectFrame, resetOf, statusOf, useServer } from './server-fixture.ts'
import { dial, echo } from './sockets.ts'

const server = useServer()
const zeros = (length: number): Uint8Array => new Uint8Array(length)

describe('an owner', () => {
  test('may close the session from a request, and no later frame of the same read is served', async () => {
    const { peer, proxy } = await server.connect()
    proxy.onRequest = () => {
      for (const session of proxy.servers) session.close('enough')
    }
    peer.send(
      connectFrame(1),
      encodeFrame(FRAME.data, 0, 1, Buffer.from('x')),
      connectFrame(3),
      connectFrame(5),
    )
    await waitFor('the session to end', () => proxy.sessionEnds.length === 1)
    expect(proxy.sessionEnds).toEqual([{ kind: 'closed', reason: 'enough' }])
    expect(proxy.requests).toHaveLength(1)
    expect(proxy.ends).toMatchObject([
      { kind: 'session-lost', session: { kind: 'closed', reason: 'enough' } },
    ])
  })

  test('may abort a tunnel from its request, with DATA of it in the same read', async () => {
    const { peer, proxy } = await server.connect()
    proxy.onRequest = (tunnel) => tunnel.abort('policy')
    peer.send(connectFrame(1), encodeFrame(FRAME.data, 0, 1, zeros(1000)))
    expect(await resetOf(peer, 1)).toBe(H2_CODE.connectError)
    proxy.onRequest = () => {}
    peer.request(3)
    expect(await statusOf(peer, 3)).toBe(200)
  })

  test('that answers twice, or late, or attaches late, harms nobody', async () => {
    const { peer, proxy } = await server.connect()
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
    const { peer, proxy } = await server.connect()
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
    await waitFor('the fault', () => server.hops().pump.faults.length === 1)
    server.hops().pump.faults.length = 0
    proxy.onRequest = () => {}
    proxy.status = 200
    peer.request(3)
    expect(await statusOf(peer, 3)).toBe(200)
  })
})

describe('time', () => {
  test('a peer that does not answer pings is cut off and its tunnels are reset', async () => {
    const { peer, proxy } = await server.connect({ pingMs: 20, pingAnswerMs: 60 })
    peer.answersPings = false
    peer.request(1)
    await waitFor('the session to end', () => proxy.sessionEnds.length > 0)
    expect(proxy.sessionEnds).toEqual([{ kind: 'peer-silent' }])
    expect(proxy.ends).toMatchObject([{ kind: 'session-lost', session: { kind: 'peer-silent' } }])
  })

  test('a peer that answers pings lives on', async () => {
    const { peer, proxy } = await server.connect({ pingMs: 10, pingAnswerMs: 30 })
    await waitFor('ten pings', () => peer.of('ping').length >= 10)
    expect(proxy.sessionEnds).toEqual([])
  })

  test('a peer that never says its preface is closed', async () => {
    const proxy = server.proxy({ handshakeMs: 50 })
    const good = await server.connectTo(proxy)
    const silent = await dial(proxy.serveInbound(server.hops().app.port))
    await waitFor('the silent one to be closed', () => proxy.sessionEnds.length === 1)
    expect(proxy.sessionEnds).toMatchObject([{ kind: 'handshake-failed', stage: 'h2', because: 'timed-out' }])
    good.request(1)
    expect(await statusOf(good, 1)).toBe(200)
    silent.destroy()
  })
})

describe('drain()', () => {
  test('says GOAWAY twice, serves what raced the first, refuses what missed the second', async () => {
    server.hops().app.behave(echo)
    const { peer, proxy } = await server.connect()
    peer.answersPings = false
    peer.request(1)
    expect(await statusOf(peer, 1)).toBe(200)
    const [session] = proxy.servers
    session?.drain()
    await waitFor('the first GOAWAY', () => peer.of('goaway').length === 1)
    expect(peer.of('goaway')[0]?.streamId).toBe(MAX_WINDOW)
    peer.request(3)
    expect(await statusOf(peer, 3)).toBe(200)
    const ping = peer.of('ping').at(-1)
    peer.send(pingFrame(ping?.payload ?? zeros(8), FLAG.ack))
    await waitFor('the second GOAWAY', () => peer.of('goaway').length === 2)
    expect(peer.of('goaway')[1]).toMatchObject({ streamId: 3, value: H2_CODE.noError })
    peer.request(5)
    peer.data(5, Buffer.from('lost'))
    expect(await resetOf(peer, 5)).toBe(H2_CODE.refusedStream)
    peer.data(1, zeros(0), FLAG.endStream)
    peer.data(3, Buffer.from('last'), FLAG.endStream)
    await waitFor('the connection to end', () => peer.outcome !== undefined)
    expect(String(peer.received(3))).toBe('last')
    expect(peer.outcome).toBe('end')
    expect(proxy.sessionEnds).toEqual([{ kind: 'drained' }])
    peer.socket.end()
  })

  test('waits for a handshake that is under way: whoever dials us may have a request already', async () => {
    server.hops().app.behave(echo)
    const proxy = server.proxy()
    const silent = await dial(proxy.serveInbound(server.hops().app.port))
    await waitFor('the session', () => proxy.servers.size === 1)
    for (const session of proxy.servers) session.drain()
    const peer = new RawPeer(silent, 'client')
    peer.send(settingsFrame([]))
    peer.request(1)
    expect(await statusOf(peer, 1)).toBe(200)
    peer.data(1, Buffer.from('last'), FLAG.endStream)
    await waitFor('the connection to end', () => peer.outcome !== undefined)
    expect([String(peer.received(1)), peer.outcome]).toEqual(['last', 'end'])
    expect(proxy.sessionEnds).toEqual([{ kind: 'drained' }])
    peer.socket.end()
  })
})
