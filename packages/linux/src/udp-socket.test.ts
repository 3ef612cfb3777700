import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { leakedDescriptors, openDescriptors, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Arena } from './arena.ts'
import { closeDescriptor } from './descriptor.ts'
import { Errno } from './errno.ts'
import { localAddress, startConnect } from './tcp-socket.ts'
import { MAX_DATAGRAM_BYTES, receiveDatagram, sendDatagram, udpListen, udpSocket } from './udp-socket.ts'

const arena = new Arena(MAX_DATAGRAM_BYTES)
let before: ReadonlyMap<number, string>
const opened: number[] = []

beforeEach(() => void (before = openDescriptors()))
afterEach(() => {
  for (const fd of opened.splice(0)) closeDescriptor(fd)
  expect(leakedDescriptors(before)).toEqual([])
})

function own(fd: number): number {
  opened.push(fd)
  return fd
}

function write(text: string): number {
  return Buffer.from(arena.bytes.buffer, arena.bytes.byteOffset, arena.bytes.length).write(text)
}

function read(length: number): string {
  return Buffer.from(arena.bytes.subarray(0, length)).toString()
}

describe.each(['127.0.0.1', '::1'])('over %s', (ip) => {
  test('receiveDatagram() takes what node:dgram sent, sendDatagram() answers it', async () => {
    const listening = own(udpListen({ ip, port: 0 }))
    expect(receiveDatagram(listening, arena)).toEqual({ kind: 'wait' })
    const client = createSocket(ip === '::1' ? 'udp6' : 'udp4')
    const answered: Promise<unknown[]> = once(client, 'message')
    client.send('question', localAddress(listening).port, ip)
    const received = await waitFor('the datagram', () => {
      const result = receiveDatagram(listening, arena)
      return result.kind === 'received' && result
    })
    expect(read(received.length)).toBe('question')
    expect(received.peer).toEqual({ ip, port: client.address().port })
    expect(sendDatagram(listening, arena, write('answer'), received.peer)).toEqual({ kind: 'sent' })
    expect(String((await answered)[0])).toBe('answer')
    client.close()
    await once(client, 'close')
  })
})

test('receiveDatagram() takes an empty datagram and the largest one', () => {
  const listening = own(udpListen({ ip: '127.0.0.1', port: 0 }))
  const to = localAddress(listening)
  const sender = own(udpSocket())
  sendDatagram(sender, arena, 0, to)
  expect(receiveDatagram(listening, arena)).toMatchObject({ kind: 'received', length: 0 })
  expect(sendDatagram(sender, arena, 65_507, to)).toEqual({ kind: 'sent' })
  expect(receiveDatagram(listening, arena)).toMatchObject({ kind: 'received', length: 65_507 })
  expect(sendDatagram(sender, arena, 65_508, to)).toEqual({ kind: 'failed', errno: Errno.EMSGSIZE })
})

test('udpListen() with reusePort shares an address, without it fails and leaves nothing open', () => {
  const first = own(udpListen({ ip: '127.0.0.1', port: 0 }, { reusePort: true }))
  const at = localAddress(first)
  own(udpListen(at, { reusePort: true }))
  expect(() => udpListen(at)).toThrow('EADDRINUSE')
  expect(() => udpListen({ ip: '192.0.2.1', port: 0 })).toThrow('EADDRNOTAVAIL')
})

test('a connected socket hears its peer only, and that nobody listens there', async () => {
  const peer = own(udpListen({ ip: '127.0.0.1', port: 0 }))
  const stranger = own(udpListen({ ip: '127.0.0.1', port: 0 }))
  const client = own(udpSocket())
  const to = localAddress(peer)
  expect(startConnect(client, to)).toEqual({ kind: 'started' })
  sendDatagram(stranger, arena, write('forged'), localAddress(client))
  sendDatagram(peer, arena, write('real'), localAddress(client))
  const result = receiveDatagram(client, arena)
  expect(result).toMatchObject({ kind: 'received', peer: to })
  expect(read(4)).toBe('real')
  closeDescriptor(opened.splice(opened.indexOf(peer), 1)[0] ?? -1)
  sendDatagram(client, arena, 1, to)
  await waitFor('the network to say so', () => {
    const told = receiveDatagram(client, arena)
    return told.kind === 'failed' && told.errno === Errno.ECONNREFUSED
  })
})
