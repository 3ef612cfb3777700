/** ztunnel's end against an agent written by hand. */
import { EventLoop } from '@ambient/event-loop'
import { closeDescriptor, openFile, seqpacketListen } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, turnUntil } from '@ambient/testkit'
import { type Ack, ZdsClient, type ZdsClientOptions, type ZdsRequest } from '@ambient/zds'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { socketPath } from './pods.ts'
import { RawPeer } from './raw-peer.ts'

const HELLO = '0801'
const ACKED = '0a00'
const SNAPSHOT_SENT = '1a00'
// uid "u1"; name "n", namespace "s", service account "a".
const ADD = '0a0f 0a027531 1209 0a016e 120173 1a0161'
const DEL = '1204 12027531'

let before: ReadonlyMap<number, string>
let loop: EventLoop
let listening: number
let place: ReturnType<typeof socketPath>
let client: ZdsClient | undefined
const peers: RawPeer[] = []
const requests: { readonly request: ZdsRequest; readonly ack: Ack }[] = []
const events: string[] = []

beforeEach(() => {
  before = openDescriptors()
  loop = new EventLoop({ onFault: (_owner, cause) => events.push(`fault ${String(cause)}`) })
  place = socketPath()
  listening = seqpacketListen(place.path)
})
afterEach(() => {
  client?.close()
  client = undefined
  for (const peer of peers.splice(0)) peer.close()
  for (const { request } of requests.splice(0)) if (request.kind === 'add') closeDescriptor(request.netns)
  events.length = 0
  if (listening >= 0) closeDescriptor(listening)
  loop[Symbol.dispose]()
  place.remove()
  expect(leakedDescriptors(before)).toEqual([])
})

function start(overrides: Partial<ZdsClientOptions> = {}): void {
  client = new ZdsClient(loop, {
    path: place.path,
    onConnected: () => events.push('connected'),
    onDisconnected: (reason) => events.push(`disconnected: ${reason}`),
    onRequest: (request, ack) => requests.push({ request, ack }),
    onProtocolError: (reason) => events.push(`protocol error: ${reason}`),
    ...overrides,
  })
}

async function agent(): Promise<RawPeer> {
  const peer = await turnUntil(loop, 'ztunnel to connect', () => RawPeer.accept(listening))
  peers.push(peer)
  return peer
}

async function greeted(): Promise<RawPeer> {
  start()
  const peer = await agent()
  expect(await heard(peer)).toBe(HELLO)
  return peer
}

async function heard(peer: RawPeer): Promise<string> {
  return turnUntil(loop, 'a packet', () => peer.hear())
}

async function latestRequest(): Promise<{ readonly request: ZdsRequest; readonly ack: Ack }> {
  return turnUntil(loop, 'a request', () => requests.at(-1))
}

function text(hex: string): string {
  return Buffer.from(hex, 'hex').toString()
}

test('ZdsClient() says hello first, serves an add with its descriptor, and acks with two bytes', async () => {
  const peer = await greeted()
  const netns = openFile('/proc/self/ns/net')
  peer.send(ADD, [netns])
  const added = await latestRequest()
  expect(added.request).toMatchObject({
    kind: 'add',
    uid: 'u1',
    info: { name: 'n', namespace: 's', serviceAccount: 'a' },
  })
  const ours = added.request.kind === 'add' ? added.request.netns : -1
  expect(openDescriptors().get(ours)).toBe(openDescriptors().get(netns))
  closeDescriptor(netns)
  added.ack()
  expect(await heard(peer)).toBe(ACKED)
  expect(events).toEqual(['connected'])
})

test('ack() with an error sends its text, and a second call sends nothing', async () => {
  const peer = await greeted()
  peer.send(DEL)
  const { ack } = await latestRequest()
  ack('failure to start proxy : no port')
  ack()
  expect(text(await heard(peer))).toContain('failure to start proxy : no port')
  for (let i = 0; i < 20; i++) loop.turn(1)
  expect(peer.hear()).toBe(undefined)
})

test('ZdsClient() looks at the next request only when the last is answered, in order', async () => {
  const peer = await greeted()
  peer.send(DEL)
  peer.send(SNAPSHOT_SENT)
  const first = await latestRequest()
  for (let i = 0; i < 20; i++) loop.turn(1)
  expect(requests.map(({ request }) => request.kind)).toEqual(['del'])
  first.ack()
  await turnUntil(loop, 'the second', () => requests.length === 2)
  expect(requests.map(({ request }) => request.kind)).toEqual(['del', 'snapshot-sent'])
})

describe('what cannot be read', () => {
  test.each([
    {
      name: 'an add without a descriptor',
      hex: ADD,
      fds: 0,
      reason: '0 descriptors with an add request, 1 expected',
    },
    { name: 'an add with three', hex: ADD, fds: 3, reason: '3 descriptors with an add request, 1 expected' },
    { name: 'a del with one', hex: DEL, fds: 1, reason: '1 descriptors with a del request' },
    { name: 'an unknown request', hex: '2200', fds: 0, reason: 'no known request' },
    { name: 'a packet over 1024 bytes', hex: '00'.repeat(1025), fds: 2, reason: 'message truncated' },
  ])(
    '$name is refused in words, its descriptors are closed, and ztunnel connects anew',
    async ({ hex, fds, reason }) => {
      const peer = await greeted()
      const sent = Array.from({ length: fds }, () => openFile('/proc/self/ns/net'))
      peer.send(hex, sent)
      for (const fd of sent) closeDescriptor(fd)
      expect(text(await heard(peer))).toContain(`failure to read message : ${reason}`)
      expect(await heard(peer)).toBe('eof')
      // It may be back already.
      expect(events.slice(0, 2)).toEqual(['connected', `disconnected: ${reason}`])
      expect(requests).toEqual([])
      expect(await heard(await agent())).toBe(HELLO)
    },
  )
})

test('onProtocolError() is told of an add without workload info, and ztunnel does not come back', async () => {
  const peer = await greeted()
  const netns = openFile('/proc/self/ns/net')
  peer.send('0a04 0a027531', [netns])
  closeDescriptor(netns)
  expect(text(await heard(peer))).toContain(
    'failure to process message : ProtocolError("add of u1 without workload info")',
  )
  expect(await heard(peer)).toBe('eof')
  expect(events).toEqual(['connected', 'protocol error: add of u1 without workload info'])
  for (let i = 0; i < 20; i++) loop.turn(5)
  expect(RawPeer.accept(listening)).toBe(undefined)
})

test('ZdsClient() comes back at once after a connection that did something, and an old ack goes nowhere', async () => {
  const first = await greeted()
  first.send(DEL)
  const served = await latestRequest()
  served.ack()
  await heard(first)
  first.send(SNAPSHOT_SENT)
  await turnUntil(loop, 'the second request', () => requests.length === 2)
  first.close()
  const second = await agent()
  expect(await heard(second)).toBe(HELLO)
  requests[1]?.ack('too late')
  second.send(DEL)
  await turnUntil(loop, 'a request of the new connection', () => requests.length === 3)
  requests[2]?.ack()
  expect(await heard(second)).toBe(ACKED)
  expect(events).toEqual(['connected', 'disconnected: the agent closed the connection', 'connected'])
})

test('ZdsClient() waits longer and longer for an agent that is not there, and connects when it is', async () => {
  closeDescriptor(listening)
  listening = -1
  start()
  const { turns } = loop.counters
  const untilMs = performance.now() + 300
  while (performance.now() < untilMs) loop.turn(1000)
  // 0, 10, 20, 40, 80, 160 ms: a handful of attempts, no spin.
  expect(loop.counters.turns - turns).toBeLessThan(12)
  listening = seqpacketListen(place.path)
  expect(await heard(await agent())).toBe(HELLO)
})

test('ZdsClient() does not hammer an agent that closes every connection at once', async () => {
  start()
  const untilMs = performance.now() + 300
  let connections = 0
  while (performance.now() < untilMs) {
    loop.turn(5)
    for (let peer = RawPeer.accept(listening); peer !== undefined; peer = RawPeer.accept(listening)) {
      connections++
      peer.close()
    }
  }
  expect(connections).toBeGreaterThan(2)
  expect(connections).toBeLessThan(10)
})

test('ZdsClient() survives a callback that throws: it connects anew', async () => {
  let calls = 0
  start({
    onRequest: () => {
      if (++calls === 1) throw new Error('bug')
    },
  })
  const peer = await agent()
  await heard(peer)
  peer.send(DEL)
  expect(await heard(peer)).toBe('eof')
  expect(await heard(await agent())).toBe(HELLO)
  expect(events).toContain('fault Error: bug')
})

test('close() ends the connection without a callback, also while waiting to connect', async () => {
  const peer = await greeted()
  client?.close()
  client?.close()
  expect(await heard(peer)).toBe('eof')
  expect([events, loop.sourceCount, loop.timerCount]).toEqual([['connected'], 0, 0])
  start()
  client?.close()
  for (let i = 0; i < 5; i++) loop.turn(2)
  expect(RawPeer.accept(listening)).toBe(undefined)
})
