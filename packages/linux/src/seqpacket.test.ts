import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { leakedDescriptors, openDescriptors } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Arena } from './arena.ts'
import { Errno } from './errno.ts'
import { receivePacket, sendPacket } from './packet.ts'
import { seqpacketAccept, seqpacketConnect, seqpacketListen } from './seqpacket.ts'
import { sys } from './syscalls.ts'

let directory = ''
let path = ''
let before: ReadonlyMap<number, string>

beforeEach(() => {
  before = openDescriptors()
  directory = mkdtempSync(join(tmpdir(), 'seqpacket-'))
  path = join(directory, 'zds.sock')
})

afterEach(() => {
  rmSync(directory, { recursive: true })
  expect(leakedDescriptors(before)).toEqual([])
})

test('seqpacketConnect() and seqpacketAccept() join two ends that carry packets', () => {
  const listening = seqpacketListen(path)
  expect(seqpacketAccept(listening)).toEqual({ kind: 'wait' })
  const client = seqpacketConnect(path)
  const server = seqpacketAccept(listening)
  if (client.kind !== 'connected' || server.kind !== 'accepted') throw new Error('not connected')
  sendPacket(client.fd, Uint8Array.of(8, 1), [])
  expect(receivePacket(server.fd, new Arena(16))).toMatchObject({ bytes: Uint8Array.of(8, 1) })
  for (const fd of [client.fd, server.fd, listening]) sys.close(fd)
})

test('seqpacketConnect() says that nobody listens', () => {
  expect(seqpacketConnect(path)).toEqual({ kind: 'failed', errno: Errno.ENOENT })
  sys.close(seqpacketListen(path))
  expect(seqpacketConnect(path)).toEqual({ kind: 'failed', errno: Errno.ECONNREFUSED })
})

test('seqpacketListen() takes over a file that nobody answers at', () => {
  sys.close(seqpacketListen(path))
  expect(existsSync(path)).toBe(true)
  const listening = seqpacketListen(path)
  const client = seqpacketConnect(path)
  expect(client.kind).toBe('connected')
  for (const fd of [listening, client.kind === 'connected' ? client.fd : -1]) sys.close(fd)
})

test('seqpacketListen() leaves a socket alone that somebody answers at', () => {
  const listening = seqpacketListen(path)
  expect(() => seqpacketListen(path)).toThrow(`listen at ${path}: EADDRINUSE`)
  expect(seqpacketAccept(listening).kind).toBe('accepted')
  for (const [fd, target] of openDescriptors())
    if (!before.has(fd) && target.startsWith('socket')) sys.close(fd)
})

test('seqpacketListen() names a directory that is not there, and a path that is too long', () => {
  expect(() => seqpacketListen(join(directory, 'none/zds.sock'))).toThrow('ENOENT')
  expect(() => seqpacketListen(`/${'x'.repeat(107)}`)).toThrow(
    'Cannot use socket path of 108 bytes: the limit is 107',
  )
})
