import { leakedDescriptors, openDescriptors, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Arena } from './arena.ts'
import { Errno, errno } from './errno.ts'
import { SHUT_WR, sys } from './syscalls.ts'
import {
  IPPROTO_TCP,
  setKeepAlive,
  setNoDelay,
  setUserTimeout,
  SOL_SOCKET,
  takeSocketError,
} from './socket-option.ts'
import {
  acceptOn,
  formatAddress,
  listenOn,
  localAddress,
  MESH_MARK,
  peerAddress,
  resetSocket,
  startConnect,
  tcpSocket,
} from './tcp-socket.ts'

const opened: number[] = []
const buffer = new Arena(64)
let before: ReadonlyMap<number, string>

beforeEach(() => {
  before = openDescriptors()
})

afterEach(() => {
  for (const fd of opened.splice(0)) sys.close(fd)
  expect(leakedDescriptors(before)).toEqual([])
})

function owned(fd: number): number {
  opened.push(fd)
  return fd
}

function option(fd: number, level: number, name: number): number {
  buffer.view.setUint32(8, 4, true)
  expect(sys.getsockopt(fd, level, name, buffer.base, buffer.at(8))).toBe(0)
  return buffer.view.getInt32(0, true)
}

async function connectedPair(
  listenIp: string,
  dialIp: string,
): Promise<{ client: number; server: number; peerIp: string }> {
  const listening = owned(listenOn({ ip: listenIp, port: 0 }))
  const client = owned(tcpSocket({ family: dialIp.includes(':') ? 'v6' : 'v4' }))
  expect(startConnect(client, { ip: dialIp, port: localAddress(listening).port })).toEqual({
    kind: 'started',
  })
  const accepted = await waitFor('the connection to be queued', () => {
    const result = acceptOn(listening)
    return result.kind === 'accepted' ? result : undefined
  })
  return { client, server: owned(accepted.fd), peerIp: accepted.peer.ip }
}

async function readSome(fd: number): Promise<number> {
  return waitFor('bytes, end or error', () => {
    const got = sys.read(fd, buffer.base, 64)
    if (got >= 0) return { got }
    return errno() === Errno.EAGAIN ? undefined : { got: -errno() }
  }).then(({ got }) => got)
}

test('acceptOn() gives a connection with its peer, and wait when none is queued', async () => {
  const { client, server, peerIp } = await connectedPair('127.0.0.1', '127.0.0.1')
  expect(peerIp).toBe('127.0.0.1')
  expect(peerAddress(server)).toEqual(localAddress(client))
  expect(peerAddress(client)).toEqual(localAddress(server))
  const listening = opened[0] ?? -1
  expect(acceptOn(listening)).toEqual({ kind: 'wait' })
  buffer.bytes.set([1, 2, 3])
  expect(sys.write(client, buffer.base, 3)).toBe(3)
  expect(await readSome(server)).toBe(3)
  sys.shutdown(client, SHUT_WR)
  expect(await readSome(server)).toBe(0)
})

test('listenOn() takes IPv4 and IPv6 at ::, and reports an IPv4 peer as IPv4', async () => {
  const overV4 = await connectedPair('::', '127.0.0.1')
  expect([overV4.peerIp, localAddress(overV4.server).ip]).toEqual(['127.0.0.1', '127.0.0.1'])
  const overV6 = await connectedPair('::', '::1')
  expect([overV6.peerIp, peerAddress(overV6.server).ip]).toEqual(['::1', '::1'])
})

test('listenOn() shares a port among listeners that all ask for it, and leaves nothing open when refused', () => {
  const first = owned(listenOn({ ip: '127.0.0.1', port: 0 }, { reusePort: true }))
  const { port } = localAddress(first)
  owned(listenOn({ ip: '127.0.0.1', port }, { reusePort: true }))
  expect(() => listenOn({ ip: '127.0.0.1', port })).toThrow(`bind 127.0.0.1:${port}: EADDRINUSE`)
})

test('listenOn() names an address that is not ours', () => {
  expect(() => listenOn({ ip: '192.0.2.1', port: 80 })).toThrow('bind 192.0.2.1:80: EADDRNOTAVAIL')
})

test('acceptOn() reports what went wrong with the listener', () => {
  expect(acceptOn(1_000_000)).toEqual({ kind: 'failed', errno: Errno.EBADF })
})

test('resetSocket() arrives as ECONNRESET, not as the end of the stream', async () => {
  const { client, server } = await connectedPair('127.0.0.1', '127.0.0.1')
  opened.splice(opened.indexOf(client), 1)
  resetSocket(client)
  expect(await readSome(server)).toBe(-Errno.ECONNRESET)
})

test('takeSocketError() tells a refused connect once, then nothing', async () => {
  const closed = listenOn({ ip: '127.0.0.1', port: 0 })
  const to = localAddress(closed)
  sys.close(closed)
  const fd = owned(tcpSocket())
  const started = startConnect(fd, to)
  const code =
    started.kind === 'failed'
      ? started.errno
      : await waitFor('the refusal', () => takeSocketError(fd) || undefined)
  expect(code).toBe(Errno.ECONNREFUSED)
  expect(takeSocketError(fd)).toBe(0)
})

test('startConnect() reports a refusal that is known at once', () => {
  const fd = owned(tcpSocket({ family: 'v4' }))
  expect(startConnect(fd, { ip: '::1', port: 1 })).toMatchObject({ kind: 'failed' })
})

test('setKeepAlive(), setNoDelay() and setUserTimeout() set what they say', async () => {
  const { client } = await connectedPair('127.0.0.1', '127.0.0.1')
  setKeepAlive(client, { idleSeconds: 180, intervalSeconds: 60, probes: 9 })
  setNoDelay(client)
  setUserTimeout(client, 1_800_000)
  const [keepAlive, idle, interval, count] = [
    option(client, SOL_SOCKET, 9),
    option(client, IPPROTO_TCP, 4),
    option(client, IPPROTO_TCP, 5),
    option(client, IPPROTO_TCP, 6),
  ]
  expect({ keepAlive, idle, interval, count }).toEqual({ keepAlive: 1, idle: 180, interval: 60, count: 9 })
  expect([option(client, IPPROTO_TCP, 1), option(client, IPPROTO_TCP, 18)]).toEqual([1, 1_800_000])
})

test('tcpSocket() is non-blocking, close-on-exec and marked', () => {
  const fd = owned(tcpSocket(process.getuid?.() === 0 ? { mark: MESH_MARK } : {}))
  expect([sys.fcntl(fd, 1, 0) & 1, sys.fcntl(fd, 3, 0) & 0o4000]).toEqual([1, 0o4000])
  expect(option(fd, SOL_SOCKET, 36)).toBe(process.getuid?.() === 0 ? MESH_MARK : 0)
})

test('formatAddress() puts IPv6 in brackets', () => {
  expect([formatAddress({ ip: '::1', port: 80 }), formatAddress({ ip: '10.0.0.1', port: 80 })]).toEqual([
    '[::1]:80',
    '10.0.0.1:80',
  ])
})
