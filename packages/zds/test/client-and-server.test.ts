import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventLoop } from '@ambient/event-loop'
import {
  Arena,
  closeDescriptor,
  openFile,
  receivePacket,
  seqpacketAccept,
  seqpacketConnect,
  seqpacketListen,
  sendPacket,
} from '@ambient/linux'
import { openDescriptors } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ZdsClient, type ZdsRequest, type ZdsResult, ZdsServer } from '../src/index.ts'

let directory = ''
let loop: EventLoop
const closing: (() => void)[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'zds-'))
  loop = new EventLoop()
})
afterEach(() => {
  for (const close of closing.splice(0)) close()
  loop[Symbol.dispose]()
  rmSync(directory, { recursive: true })
})

const path = (): string => join(directory, 'ztunnel.sock')
const info = { name: 'web-0', namespace: 'shop', serviceAccount: 'web' }

function turnUntil(what: string, done: () => boolean): void {
  const untilMs = performance.now() + 3000
  while (!done()) {
    if (performance.now() > untilMs) throw new Error(`Waited 3 s for ${what}`)
    loop.turn(5)
  }
}

function openServer(): { server: ZdsServer; counts: number[] } {
  const counts: number[] = []
  const server = new ZdsServer(loop, {
    path: path(),
    onConnections: (count) => void counts.push(count),
    onRefused: () => {},
  })
  closing.push(() => server[Symbol.dispose]())
  return { server, counts }
}

function openClient(answer: (request: ZdsRequest) => string | undefined) {
  const events: string[] = []
  const client = new ZdsClient(loop, {
    path: path(),
    onConnected: () => void events.push('connected'),
    onDisconnected: () => void events.push('disconnected'),
    onProtocolError: (reason) => void events.push(`protocol error: ${reason}`),
    onRequest: (request, ack) => {
      events.push(request.kind === 'snapshot-sent' ? request.kind : `${request.kind} ${request.uid}`)
      if (request.kind === 'add') closeDescriptor(request.netns)
      ack(answer(request))
    },
  })
  closing.push(() => client.close())
  return { client, events }
}

const netns = (): number => openFile('/proc/self/ns/net')

test('a client gets the snapshot first, then what changes, each with one answer', () => {
  const { server } = openServer()
  server.hold({ uid: 'a', info, netns: netns() })
  server.hold({ uid: 'b', info, netns: undefined })
  const { events } = openClient(() => undefined)
  turnUntil('the snapshot', () => events.includes('snapshot-sent'))
  expect(events).toEqual(['connected', 'add a', 'keep b', 'snapshot-sent'])
  const results: ZdsResult[] = []
  turnUntil('the connection to be served', () => server.connectionCount === 1)
  server.add({ uid: 'c', info, netns: netns() }, (result) => void results.push(result))
  turnUntil('the first answer', () => results.length === 1)
  server.remove('c', (result) => void results.push(result))
  turnUntil('both answers', () => results.length === 2)
  expect(events.slice(4)).toEqual(['add c', 'del c'])
  expect(results).toEqual([{ kind: 'acked' }, { kind: 'acked' }])
})

test("a refusal comes back in ztunnel's own words", () => {
  const { server } = openServer()
  const { events } = openClient((request) =>
    request.kind === 'add' ? 'failure to start proxy : no' : undefined,
  )
  turnUntil('the snapshot', () => events.includes('snapshot-sent'))
  const results: ZdsResult[] = []
  server.add({ uid: 'c', info, netns: netns() }, (result) => void results.push(result))
  turnUntil('the answer', () => results.length === 1)
  expect(results).toEqual([{ kind: 'refused', error: 'failure to start proxy : no' }])
})

test('without a ztunnel an addition says so at once', () => {
  const { server } = openServer()
  const results: ZdsResult[] = []
  server.add({ uid: 'c', info, netns: netns() }, (result) => void results.push(result))
  expect(results).toEqual([{ kind: 'no-connection' }])
})

test('a client comes back to a restarted agent and gets a whole snapshot again', () => {
  const first = new ZdsServer(loop, { path: path(), onConnections: () => {}, onRefused: () => {} })
  const { events } = openClient(() => undefined)
  turnUntil('the first snapshot', () => events.includes('snapshot-sent'))
  first[Symbol.dispose]()
  turnUntil('the end to be seen', () => events.includes('disconnected'))
  const { server } = openServer()
  server.hold({ uid: 'a', info, netns: netns() })
  turnUntil('the second snapshot', () => events.filter((event) => event === 'snapshot-sent').length === 2)
  expect(events.slice(-3)).toEqual(['connected', 'add a', 'snapshot-sent'])
})

test('the client speaks the fixed bytes to a hand-written agent', () => {
  const listening = seqpacketListen(path())
  closing.push(() => closeDescriptor(listening))
  const { events } = openClient(() => undefined)
  const arena = new Arena(1024)
  let peer = -1
  turnUntil('the connection', () => {
    const accepted = seqpacketAccept(listening)
    if (accepted.kind === 'accepted') peer = accepted.fd
    return peer >= 0
  })
  closing.push(() => closeDescriptor(peer))
  const packets: string[] = []
  const read = (): void => {
    const received = receivePacket(peer, arena)
    if (received.kind === 'packet') packets.push(Buffer.from(received.bytes).toString('hex'))
  }
  turnUntil('the hello', () => (read(), packets.length === 1))
  sendPacket(peer, Uint8Array.of(0x1a, 0x00), [])
  turnUntil('the answer', () => (read(), packets.length === 2))
  expect(packets).toEqual(['0801', '0a00'])
  expect(events).toEqual(['connected', 'snapshot-sent'])
})

test('the server sends an addition with exactly one descriptor to a hand-written ztunnel', () => {
  const { server } = openServer()
  server.hold({ uid: 'a', info, netns: netns() })
  const connected = seqpacketConnect(path())
  if (connected.kind !== 'connected') throw new Error(`cannot connect: ${JSON.stringify(connected)}`)
  const { fd } = connected
  closing.push(() => closeDescriptor(fd))
  sendPacket(fd, Uint8Array.of(0x08, 0x01), [])
  const arena = new Arena(1024)
  const got: { hex: string; fds: number }[] = []
  turnUntil('the snapshot', () => {
    const received = receivePacket(fd, arena)
    if (received.kind !== 'packet') return false
    for (const each of received.fds) closeDescriptor(each)
    got.push({ hex: Buffer.from(received.bytes).toString('hex'), fds: received.fds.length })
    sendPacket(fd, Uint8Array.of(0x0a, 0x00), [])
    return got.length === 2
  })
  expect(got[0]?.fds).toBe(1)
  expect(got[0]?.hex.startsWith('0a')).toBe(true)
  expect(got[1]).toEqual({ hex: '1a00', fds: 0 })
})

test('nothing is left open after a hundred additions and removals', () => {
  const { server } = openServer()
  const { events } = openClient(() => undefined)
  turnUntil('the snapshot', () => events.includes('snapshot-sent'))
  const count = (): number => [...openDescriptors()].length
  const before = count()
  let answers = 0
  for (let i = 0; i < 100; i++) {
    let done = 0
    server.add({ uid: `p${i}`, info, netns: netns() }, () => done++)
    turnUntil('the addition', () => done === 1)
    server.remove(`p${i}`, () => done++)
    turnUntil('the removal', () => done === 2)
    answers += done
  }
  expect(answers).toBe(200)
  expect(count()).toBe(before)
})
