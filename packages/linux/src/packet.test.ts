import { leakedDescriptors, openDescriptors } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Arena } from './arena.ts'
import { openFile } from './descriptor.ts'
import { Errno } from './errno.ts'
import { MAX_PACKET_BYTES, MAX_PACKET_DESCRIPTORS, receivePacket, sendPacket } from './packet.ts'
import { seqpacketPair } from './seqpacket.ts'
import { sys } from './syscalls.ts'

const arena = new Arena(1024)
let before: ReadonlyMap<number, string>
let sender = -1
let receiver = -1

beforeEach(() => {
  before = openDescriptors()
  ;[sender, receiver] = seqpacketPair()
})

afterEach(() => {
  sys.close(sender)
  sys.close(receiver)
  expect(leakedDescriptors(before)).toEqual([])
})

function openMany(count: number): number[] {
  return Array.from({ length: count }, () => openFile('/proc/self/ns/net'))
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) sys.close(fd)
}

test('receivePacket() keeps packets apart and says wait when there is none', () => {
  expect(sendPacket(sender, Uint8Array.of(1, 2), [])).toEqual({ kind: 'sent' })
  expect(sendPacket(sender, Uint8Array.of(3), [])).toEqual({ kind: 'sent' })
  expect(receivePacket(receiver, arena)).toEqual({
    kind: 'packet',
    bytes: Uint8Array.of(1, 2),
    fds: [],
    truncated: false,
  })
  expect(receivePacket(receiver, arena)).toEqual({
    kind: 'packet',
    bytes: Uint8Array.of(3),
    fds: [],
    truncated: false,
  })
  expect(receivePacket(receiver, arena)).toEqual({ kind: 'wait' })
})

test.each([1, 2, 10, MAX_PACKET_DESCRIPTORS])(
  'receivePacket() owns %d descriptors, close-on-exec, of the same file',
  (count) => {
    const sent = openMany(count)
    expect(sendPacket(sender, Uint8Array.of(1), sent)).toEqual({ kind: 'sent' })
    const received = receivePacket(receiver, arena)
    const fds = received.kind === 'packet' ? received.fds : []
    expect(fds).toHaveLength(count)
    const targets = openDescriptors()
    for (const fd of fds) {
      expect(targets.get(fd)).toBe(targets.get(sent[0] ?? -1))
      expect(sys.fcntl(fd, 1, 0)).toBe(1)
      expect(sent).not.toContain(fd)
    }
    closeAll([...sent, ...fds])
  },
)

test('receivePacket() says that bytes were cut, and still owns the descriptors', () => {
  const sent = openMany(2)
  sendPacket(sender, new Uint8Array(1025).fill(7), sent)
  const received = receivePacket(receiver, arena)
  expect(received).toMatchObject({ kind: 'packet', truncated: true })
  const { bytes, fds } = received.kind === 'packet' ? received : { bytes: new Uint8Array(), fds: [] }
  expect([bytes.length, fds.length]).toEqual([1024, 2])
  closeAll([...sent, ...fds])
})

test('receivePacket() gives bytes that the next packet does not overwrite', () => {
  sendPacket(sender, Uint8Array.of(1), [])
  sendPacket(sender, Uint8Array.of(2), [])
  const first = receivePacket(receiver, arena)
  receivePacket(receiver, arena)
  expect(first).toMatchObject({ bytes: Uint8Array.of(1) })
})

test('receivePacket() reports the end, and closes descriptors of a packet without bytes', () => {
  const sent = openMany(1)
  expect(sendPacket(sender, new Uint8Array(), sent)).toEqual({ kind: 'sent' })
  expect(receivePacket(receiver, arena)).toEqual({ kind: 'eof' })
  closeAll(sent)
  sys.shutdown(sender, 1)
  expect(receivePacket(receiver, arena)).toEqual({ kind: 'eof' })
})

test('sendPacket() reports a peer that is gone, a closed descriptor, and a full queue', () => {
  expect(sendPacket(sender, Uint8Array.of(1), [1_000_000])).toEqual({ kind: 'failed', errno: Errno.EBADF })
  let last = sendPacket(sender, new Uint8Array(60_000), [])
  for (let i = 0; i < 1000 && last.kind === 'sent'; i++) last = sendPacket(sender, new Uint8Array(60_000), [])
  expect(last).toEqual({ kind: 'wait' })
  sys.shutdown(receiver, 2)
  expect(sendPacket(sender, Uint8Array.of(1), [])).toEqual({ kind: 'failed', errno: Errno.EPIPE })
})

test('sendPacket() refuses what no packet can hold', () => {
  expect(() => sendPacket(sender, new Uint8Array(MAX_PACKET_BYTES + 1), [])).toThrow(RangeError)
  expect(() =>
    sendPacket(
      sender,
      Uint8Array.of(1),
      Array.from({ length: MAX_PACKET_DESCRIPTORS + 1 }, () => sender),
    ),
  ).toThrow(RangeError)
})

test('receivePacket() reports what went wrong with the socket', () => {
  expect(receivePacket(1_000_000, arena)).toEqual({ kind: 'failed', errno: Errno.EBADF })
})
