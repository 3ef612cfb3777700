/** The agent's end against a ztunnel written by hand. */
import { existsSync } from 'node:fs'
import { EventLoop } from '@ambient/event-loop'
import { leakedDescriptors, openDescriptors, turnUntil } from '@ambient/testkit'
import { type ZdsResult, ZdsServer, type ZdsServerOptions } from '@ambient/zds'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { pod, podWithoutNetns, socketPath } from './pods.ts'
import { RawPeer } from './raw-peer.ts'

const HELLO = '0801'
const ACK = '0a00'
const REFUSAL = '0a06 0a04 6e6f7065' // "nope"
const SNAPSHOT_SENT = '1a00'
const LIMITS = { ackMs: 60, helloMs: 60, acceptEveryMs: 40, queuedRequests: 3, connections: 3 }

let before: ReadonlyMap<number, string>
let loop: EventLoop
let place: ReturnType<typeof socketPath>
let server: ZdsServer
const peers: RawPeer[] = []
const events: string[] = []

beforeEach(() => {
  before = openDescriptors()
  loop = new EventLoop({ onFault: (_owner, cause) => events.push(`fault ${String(cause)}`) })
  place = socketPath()
  events.length = 0
  server = serve()
})
afterEach(() => {
  server[Symbol.dispose]()
  for (const peer of peers.splice(0)) peer.close()
  loop[Symbol.dispose]()
  place.remove()
  expect(leakedDescriptors(before)).toEqual([])
})

function serve(limits: ZdsServerOptions['limits'] = LIMITS): ZdsServer {
  return new ZdsServer(loop, {
    path: place.path,
    limits,
    onConnections: (count, lost) => events.push(lost === undefined ? `${count}` : `${count}: ${lost}`),
    onRefused: (uid, error) => events.push(`${uid} refused: ${error}`),
  })
}

function dial(): RawPeer {
  const peer = RawPeer.connect(place.path)
  peers.push(peer)
  return peer
}

async function heard(peer: RawPeer): Promise<string> {
  return turnUntil(loop, 'a packet', () => peer.hear())
}

/** A ztunnel that has taken the snapshot, answering every request of it. */
async function live(): Promise<RawPeer> {
  const peer = dial()
  peer.send(HELLO)
  for (;;) {
    const packet = await heard(peer)
    peer.send(ACK)
    if (packet === SNAPSHOT_SENT) return peer
  }
}

function add(uid: string): { result: ZdsResult | undefined } {
  const seen: { result: ZdsResult | undefined } = { result: undefined }
  server.add(pod(uid), (result) => (seen.result = result))
  return seen
}

function remove(uid: string): { result: ZdsResult | undefined } {
  const seen: { result: ZdsResult | undefined } = { result: undefined }
  server.remove(uid, (result) => (seen.result = result))
  return seen
}

async function settled(seen: { result: ZdsResult | undefined }): Promise<ZdsResult> {
  return turnUntil(loop, 'a result', () => seen.result)
}

/** The uid of a request, which is all ASCII. */
function says(packet: string, uid: string): boolean {
  return Buffer.from(packet, 'hex').toString('latin1').includes(uid)
}

describe('a snapshot', () => {
  test('starts after the hello only, has an add with one descriptor or a keep for each pod, one at a time, and ends', async () => {
    server.hold(pod('u1'))
    server.hold(podWithoutNetns('u2'))
    const peer = dial()
    for (let i = 0; i < 10; i++) loop.turn(1)
    expect(peer.hear()).toBe(undefined)
    peer.send(HELLO)
    const first = await heard(peer)
    expect([says(first, 'u1'), says(first, 'pod-u1'), first.endsWith(' +1')]).toEqual([true, true, true])
    for (let i = 0; i < 10; i++) loop.turn(1)
    expect(peer.hear()).toBe(undefined)
    peer.send(ACK)
    expect(await heard(peer)).toBe('2a040a027532')
    peer.send(ACK)
    expect(await heard(peer)).toBe(SNAPSHOT_SENT)
  })

  test('of nothing is its end', async () => {
    const peer = dial()
    peer.send(HELLO)
    expect(await heard(peer)).toBe(SNAPSHOT_SENT)
  })

  test('goes on after a refusal, which is reported', async () => {
    server.hold(pod('u1'))
    const peer = dial()
    peer.send(HELLO)
    await heard(peer)
    peer.send(REFUSAL)
    expect(await heard(peer)).toBe(SNAPSHOT_SENT)
    expect(events).toContain('u1 refused: nope')
  })

  test('has no pod that was removed while it was under way, and every pod that came', async () => {
    for (const uid of ['u1', 'u2', 'u3']) server.hold(pod(uid))
    const peer = dial()
    peer.send(HELLO)
    await heard(peer)
    remove('u2')
    const late = add('u4')
    const said: string[] = []
    for (let i = 0; i < 5; i++) {
      peer.send(ACK)
      said.push(await heard(peer))
    }
    // The rest of the snapshot, its end, then what had queued: the del, and the add that the snapshot had already made.
    expect(said.map((packet) => ['u2', 'u3', 'u4'].find((uid) => says(packet, uid)) ?? packet)).toEqual([
      'u3',
      'u4',
      SNAPSHOT_SENT,
      'u2',
      'u4',
    ])
    peer.send(ACK)
    expect(await settled(late)).toEqual({ kind: 'acked' })
  })
})

describe('a change', () => {
  test('add() reaches the newest ztunnel only, remove() all of them', async () => {
    const old = await live()
    const newest = await live()
    const added = add('u1')
    expect(says(await heard(newest), 'u1')).toBe(true)
    newest.send(ACK)
    expect(await settled(added)).toEqual({ kind: 'acked' })
    expect(old.hear()).toBe(undefined)
    const removed = remove('u1')
    for (const peer of [old, newest]) {
      expect(await heard(peer)).toBe('120412027531')
      expect(removed.result).toBe(undefined)
      peer.send(ACK)
    }
    expect(await settled(removed)).toEqual({ kind: 'acked' })
  })

  test('goes to the previous ztunnel once the newest has gone', async () => {
    const old = await live()
    const newest = await live()
    newest.close()
    await turnUntil(loop, 'the loss to be seen', () => server.connectionCount === 1)
    const added = add('u1')
    expect(says(await heard(old), 'u1')).toBe(true)
    old.send(REFUSAL)
    expect(await settled(added)).toEqual({ kind: 'refused', error: 'nope' })
  })

  test('is one in flight, the rest in order, and fails beyond the queue', async () => {
    const peer = await live()
    await turnUntil(loop, 'the end of the snapshot to be acked', () => (loop.turn(1), true))
    const results = ['u1', 'u2', 'u3', 'u4', 'u5'].map((uid) => remove(uid))
    expect(results.at(4)?.result).toEqual({ kind: 'failed', reason: 'too many requests wait for ztunnel' })
    for (const uid of ['u1', 'u2', 'u3', 'u4']) {
      expect(says(await heard(peer), uid)).toBe(true)
      expect(peer.hear()).toBe(undefined)
      peer.send(ACK)
    }
    expect(await Promise.all(results.slice(0, 4).map((each) => settled(each)))).toEqual(
      Array.from({ length: 4 }, () => ({ kind: 'acked' })),
    )
  })

  test('has no-connection for a result when no ztunnel is there, and the pod is in the next snapshot', async () => {
    expect(add('u1').result).toEqual({ kind: 'no-connection' })
    expect(remove('u9').result).toEqual({ kind: 'no-connection' })
    const peer = dial()
    peer.send(HELLO)
    expect(says(await heard(peer), 'u1')).toBe(true)
  })

  test('fails when the connection ends before its answer, once, whoever waits', async () => {
    const peer = await live()
    const [first, second] = [add('u1'), add('u2')]
    await heard(peer)
    peer.close()
    expect([await settled(first), await settled(second)]).toEqual([
      { kind: 'failed', reason: 'ztunnel closed the connection' },
      { kind: 'failed', reason: 'ztunnel closed the connection' },
    ])
  })

  test('replaces the descriptor of a pod that is added again', async () => {
    const held = openDescriptors().size
    add('u1')
    add('u1')
    expect([server.podCount, openDescriptors().size - held]).toEqual([1, 1])
    remove('u1')
    expect([server.podCount, openDescriptors().size - held]).toEqual([0, 0])
  })
})

describe('a ztunnel that misbehaves is dropped', () => {
  test.each([
    { name: 'no hello in time', act: () => {}, reason: 'no hello from ztunnel within 60 ms' },
    {
      name: 'another version',
      act: (peer: RawPeer) => peer.send('0802'),
      reason: 'ztunnel sent no hello of version 1',
    },
    {
      name: 'no protobuf',
      act: (peer: RawPeer) => peer.send('ffffff'),
      reason: 'ztunnel sent no hello of version 1',
    },
    {
      name: 'hello and at once more',
      act: (peer: RawPeer) => (peer.send(HELLO), peer.send(HELLO)),
      reason: 'ztunnel sent no readable answer',
    },
    {
      name: 'a long message',
      act: (peer: RawPeer) => peer.send('00'.repeat(1025)),
      reason: 'ztunnel sent a message that is too long or has descriptors',
    },
    {
      name: 'a descriptor',
      act: (peer: RawPeer) => peer.send(HELLO, [peer.fd]),
      reason: 'ztunnel sent a message that is too long or has descriptors',
    },
    {
      name: 'no answer in time',
      act: (peer: RawPeer) => peer.send(HELLO),
      reason: 'no answer from ztunnel within 60 ms',
    },
    { name: 'hanging up', act: (peer: RawPeer) => peer.close(), reason: 'ztunnel closed the connection' },
  ])('$name', async ({ act, reason }) => {
    act(dial())
    await turnUntil(loop, 'the connection to end', () => events.length >= 2)
    expect(events).toEqual(['1', `0: ${reason}`])
    expect([loop.timerCount, server.connectionCount]).toEqual([0, 0])
  })

  test('an answer nobody asked for', async () => {
    const peer = await live()
    await turnUntil(loop, 'the end of the snapshot to be acked', () => (loop.turn(1), true))
    peer.send(ACK)
    expect(await heard(peer)).toBe('eof')
    expect(events.at(-1)).toBe('0: ztunnel spoke without being asked')
  })
})

test('ZdsServer() accepts a burst, then a few a second, and no more than its limit', async () => {
  for (let i = 0; i < 8; i++) dial()
  const startMs = performance.now()
  loop.turn(0)
  // Three are kept, two are closed at once; three wait.
  expect(server.connectionCount).toBe(3)
  await turnUntil(
    loop,
    'the last to be let go',
    () => peers.filter((peer) => peer.hear() === 'eof').length >= 3 && performance.now() - startMs > 120,
  )
  expect(events).not.toContain('4')
})

test('dispose closes connections and descriptors, tells who waits, and takes the socket away', async () => {
  const peer = await live()
  const waiting = add('u1')
  server[Symbol.dispose]()
  server[Symbol.dispose]()
  expect(waiting.result).toEqual({ kind: 'failed', reason: 'the agent ends' })
  await turnUntil(loop, 'the end', () => says(peer.hear() ?? '', 'u1') || true)
  expect(peer.hear()).toBe('eof')
  expect([existsSync(place.path), loop.sourceCount, loop.timerCount]).toEqual([false, 0, 0])
})

test('ZdsServer() refuses a path where another agent answers', () => {
  expect(() => serve()).toThrow('EADDRINUSE')
})
