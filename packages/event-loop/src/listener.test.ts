import { connect, type Socket } from 'node:net'
import { closeDescriptor, fileLimit, listenOn, localAddress, setFileLimit } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, turnUntil, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EventLoop } from './event-loop.ts'
import { Listener } from './listener.ts'

const limits = { acceptsPerTurn: 4, acceptPauseMs: 50 }
let before: ReadonlyMap<number, string>
let loop: EventLoop
const clients: Socket[] = []
const accepted: number[] = []

beforeEach(() => {
  before = openDescriptors()
  loop = new EventLoop()
})
afterEach(async () => {
  for (const fd of accepted.splice(0)) closeDescriptor(fd)
  for (const client of clients.splice(0)) client.destroy()
  loop[Symbol.dispose]()
  await waitFor('every descriptor to be closed', () => {
    expect(leakedDescriptors(before)).toEqual([])
    return true
  })
})

function listenerOf(onAccept: (fd: number) => void = (fd) => void accepted.push(fd)): {
  listener: Listener
  port: number
} {
  const fd = listenOn({ ip: '127.0.0.1', port: 0 })
  return { listener: new Listener(fd, loop, limits, onAccept), port: localAddress(fd).port }
}

async function dial(port: number, count: number): Promise<{ resets: number }> {
  const seen = { resets: 0 }
  const dialled = Array.from({ length: count }, () =>
    connect(port, '127.0.0.1').on('error', () => seen.resets++),
  )
  clients.push(...dialled)
  await waitFor('connections to be queued', () => dialled.every((client) => !client.connecting))
  return seen
}

test('onEvents() takes at most so many connections a turn, and gets to all', async () => {
  const { listener, port } = listenerOf()
  await dial(port, 10)
  loop.turn(0)
  expect(accepted).toHaveLength(4)
  await turnUntil(loop, 'all ten', () => accepted.length === 10)
  listener.close()
  listener.close()
  expect([listener.state, loop.sourceCount]).toEqual(['closed', 0])
})

test('onEvents() resets the one connection whose handler throws and goes on with the rest', async () => {
  let calls = 0
  const { listener, port } = listenerOf((fd) => {
    if (++calls === 2) throw new Error('bug')
    accepted.push(fd)
  })
  const seen = await dial(port, 6)
  await turnUntil(loop, 'the other five and one reset', () => accepted.length === 5 && seen.resets === 1)
  expect([loop.counters.faults, listener.state]).toEqual([1, 'accepting'])
  listener.close()
})

test('onEvents() leaves the queue alone for a while when descriptors run out, and loses nobody', async () => {
  const { listener, port } = listenerOf()
  await dial(port, 8)
  const { soft } = fileLimit()
  const open = openDescriptors()
  const free = Array.from({ length: 1000 }, (_, fd) => fd).filter((fd) => !open.has(fd))
  const turnsBefore = loop.counters.turns
  try {
    // Two more descriptors, and not a third.
    setFileLimit(free[2] ?? 0)
    const startMs = performance.now()
    while (performance.now() - startMs < 200) loop.turn(1000)
    expect(listener.pauses).toBeGreaterThanOrEqual(2)
    // A loop that merely came back would have turned tens of thousands of times.
    expect(loop.counters.turns - turnsBefore).toBeLessThan(30)
    expect(accepted).toHaveLength(2)
  } finally {
    setFileLimit(soft)
  }
  await turnUntil(loop, 'all eight after the pause', () => accepted.length === 8)
  listener.close()
})

test('close() while paused cancels the return to epoll', async () => {
  const { listener, port } = listenerOf()
  await dial(port, 1)
  listener.onFault()
  expect(listener.state).toBe('paused')
  listener.close()
  const untilMs = performance.now() + 2 * limits.acceptPauseMs
  while (performance.now() < untilMs) loop.turn(10)
  expect([loop.sourceCount, accepted.length]).toEqual([0, 0])
})

test('closeAfterDrain() takes everybody who is queued; nobody is reset', async () => {
  const { listener, port } = listenerOf()
  const seen = await dial(port, 30)
  expect(listener.closeAfterDrain()).toBe(30)
  expect([accepted.length, listener.state]).toEqual([30, 'closed'])
  for (const client of clients) client.end()
  await turnUntil(loop, 'the clients to have spoken', () =>
    clients.every((client) => client.writableFinished),
  )
  expect([seen.resets, listener.closeAfterDrain()]).toEqual([0, 0])
})

test('closeAfterDrain() takes what waits behind a pause', async () => {
  const { listener, port } = listenerOf()
  await dial(port, 3)
  listener.onFault()
  expect([listener.closeAfterDrain(), accepted.length]).toEqual([3, 3])
})

test('park() leaves the queue to whoever has the socket as well, resume() takes it back', async () => {
  const { listener, port } = listenerOf()
  listener.park()
  listener.park()
  const seen = await dial(port, 3)
  loop.turn(0)
  expect([listener.state, accepted.length, loop.sourceCount]).toEqual(['parked', 0, 0])
  listener.resume()
  await turnUntil(loop, 'all three', () => accepted.length === 3)
  listener.park()
  expect([listener.closeAfterDrain(), listener.state, seen.resets]).toEqual([0, 'closed', 0])
  listener.resume()
  expect(loop.sourceCount).toBe(0)
})
