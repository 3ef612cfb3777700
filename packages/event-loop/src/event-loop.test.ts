import { closeDescriptor, eventfd, takeWake, wake, seqpacketPair, sendPacket } from '@ambient/linux'
import { leakedDescriptors, openDescriptors } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DATA_EVENTS, EPOLLHUP, EPOLLIN, EPOLLOUT, LEVEL_READ } from './epoll.ts'
import { type Contained, EventLoop, type Source } from './event-loop.ts'

let before: ReadonlyMap<number, string>
let loop: EventLoop
const opened: number[] = []
const faults: { readonly owner: Contained | undefined; readonly cause: unknown }[] = []

beforeEach(() => {
  before = openDescriptors()
  faults.length = 0
  loop = new EventLoop({ onFault: (owner, cause) => faults.push({ owner, cause }) })
})
afterEach(() => {
  loop[Symbol.dispose]()
  for (const fd of opened.splice(0)) closeDescriptor(fd)
  expect(leakedDescriptors(before)).toEqual([])
})

function wokenEventfd(): number {
  const fd = eventfd()
  opened.push(fd)
  wake(fd)
  return fd
}

function pair(): readonly [number, number] {
  const ends = seqpacketPair()
  opened.push(...ends)
  return ends
}

test('turn() tells a level-triggered source until it has consumed, an edge-triggered one once', () => {
  const [level, edge] = [wokenEventfd(), wokenEventfd()]
  const told = { level: 0, edge: 0 }
  loop.add(level, LEVEL_READ, { onEvents: () => void told.level++ })
  loop.add(edge, DATA_EVENTS, { onEvents: () => void told.edge++ })
  loop.turn(0)
  loop.turn(0)
  expect(told).toEqual({ level: 2, edge: 1 })
  takeWake(level)
  loop.turn(0)
  expect(told.level).toBe(2)
})

test('turn() hands over what epoll said', () => {
  const [ours, theirs] = pair()
  const seen: number[] = []
  loop.add(ours, DATA_EVENTS, { onEvents: (events) => void seen.push(events) })
  loop.turn(0)
  sendPacket(theirs, Uint8Array.of(1), [])
  loop.turn(0)
  closeDescriptor(opened.splice(opened.indexOf(theirs), 1)[0] ?? -1)
  loop.turn(0)
  const [first = 0, second = 0, third = 0] = seen
  expect([first & EPOLLIN, first & EPOLLOUT, second & EPOLLIN, third & EPOLLHUP]).toEqual([
    0,
    EPOLLOUT,
    EPOLLIN,
    EPOLLHUP,
  ])
})

test('turn() ends only the source that throws, tells it, and counts', () => {
  const [bad, good] = [wokenEventfd(), wokenEventfd()]
  const causes: unknown[] = []
  let told = 0
  const failing: Source = {
    onEvents: () => {
      throw new Error('bug')
    },
    onFault: (cause) => causes.push(cause),
  }
  loop.add(bad, LEVEL_READ, failing)
  loop.add(good, LEVEL_READ, { onEvents: () => void told++ })
  loop.turn(0)
  loop.turn(0)
  expect([told, loop.sourceCount, loop.counters.faults]).toEqual([2, 1, 1])
  expect(causes).toEqual([new Error('bug')])
  expect(faults).toEqual([{ owner: failing, cause: new Error('bug') }])
})

test('turn() survives a source that throws while it is told that it threw', () => {
  loop.add(wokenEventfd(), LEVEL_READ, {
    onEvents: () => {
      throw new Error('bug')
    },
    onFault: () => {
      throw new Error('second bug')
    },
  })
  loop.turn(0)
  expect([loop.counters.faults, loop.sourceCount]).toEqual([2, 0])
  expect(faults.map(({ cause }) => String(cause))).toEqual(['Error: second bug', 'Error: bug'])
})

test('turn() ends only the task or the timer that throws', () => {
  const ran: string[] = []
  const ended: string[] = []
  loop.again({
    run: () => {
      throw new Error('again')
    },
    onFault: () => ended.push('again'),
  })
  loop.again({ run: () => ran.push('again') })
  loop.defer({
    run: () => {
      throw new Error('defer')
    },
    onFault: () => ended.push('defer'),
  })
  loop.defer({ run: () => ran.push('defer') })
  loop.after(
    0,
    () => {
      throw new Error('timer')
    },
    { onFault: () => ended.push('timer') },
  )
  loop.after(0, () => {
    throw new Error('nobody’s timer')
  })
  loop.after(0, () => void ran.push('timer'))
  loop.turn(5)
  loop.turn(5)
  expect(ended.toSorted()).toEqual(['again', 'defer', 'timer'])
  expect(ran.toSorted()).toEqual(['again', 'defer', 'timer'])
  expect(loop.counters.faults).toBe(4)
})

test('a fault keeps a source that was registered anew under the same number', () => {
  const fd = wokenEventfd()
  let told = 0
  const replacement: Source = { onEvents: () => void told++ }
  loop.add(fd, LEVEL_READ, {
    onEvents: () => {
      loop.remove(fd)
      loop.add(fd, LEVEL_READ, replacement)
      throw new Error('after handing over')
    },
  })
  loop.turn(0)
  loop.turn(0)
  expect([told, loop.sourceCount]).toEqual([1, 1])
})

test('turn() does not give an event to a source that came to its number within the same batch', () => {
  const [first, second] = [wokenEventfd(), wokenEventfd()]
  const told: string[] = []
  // Whichever is told first closes the other, whose number a fresh descriptor then takes.
  const source = (name: string, other: number): Source => ({
    onEvents: () => {
      told.push(name)
      loop.remove(other)
      closeDescriptor(other)
      const reused = eventfd()
      expect(reused).toBe(other)
      loop.add(reused, LEVEL_READ, { onEvents: () => void told.push('stale event') })
    },
  })
  loop.add(first, LEVEL_READ, source('first', second))
  loop.add(second, LEVEL_READ, source('second', first))
  loop.turn(0)
  expect(told).toHaveLength(1)
  expect(told).not.toContain('stale event')
})

test('remove() silences a number whose description lives on elsewhere', () => {
  const [ours, theirs] = pair()
  let told = 0
  loop.add(ours, LEVEL_READ, { onEvents: () => void told++ })
  // The packet holds a second reference to the description.
  sendPacket(theirs, Uint8Array.of(1), [ours])
  loop.remove(ours)
  loop.turn(0)
  loop.remove(ours)
  expect([told, loop.sourceCount]).toEqual([0, 0])
})

test('again() runs a task in the next turn, after its events; defer() at the end of this one', () => {
  const order: string[] = []
  const fd = wokenEventfd()
  loop.add(fd, LEVEL_READ, {
    onEvents: () => {
      order.push('events')
      takeWake(fd)
      loop.again({ run: () => order.push('again') })
      loop.defer({ run: () => order.push('deferred') })
      wake(fd)
    },
  })
  loop.turn(0)
  expect(order).toEqual(['events', 'deferred'])
  loop.turn(1000)
  expect(order.slice(2)).toEqual(['events', 'again', 'deferred'])
})

test('turn() does not wait while something is to be done', () => {
  const startMs = performance.now()
  loop.defer({ run: () => {} })
  loop.turn(1000)
  loop.again({ run: () => {} })
  loop.turn(1000)
  expect(performance.now() - startMs).toBeLessThan(500)
})

test('turn() gives up on tasks that defer themselves for ever, until the next turn', () => {
  let runs = 0
  const task = {
    run: (): void => {
      runs++
      loop.defer(task)
    },
  }
  loop.defer(task)
  loop.turn(0)
  const first = runs
  loop.turn(0)
  expect([first, runs]).toEqual([16, 32])
})

test('after() fires once, never early, also when asked long after the last turn', () => {
  loop.turn(0)
  const untilMs = performance.now() + 30
  while (performance.now() < untilMs);
  let firedAtMs = 0
  const askedAtMs = performance.now()
  loop.after(20, () => (firedAtMs = performance.now()))
  for (let turns = 0; firedAtMs === 0 && turns < 1000; turns++) loop.turn(1000)
  expect(firedAtMs - askedAtMs).toBeGreaterThanOrEqual(20)
  expect(loop.timerCount).toBe(0)
})

test('after() does not fire when cancelled, and wakes the loop in few turns', () => {
  let fired = false
  loop.after(1, () => (fired = true)).cancel()
  let isOver = false
  loop.after(30, () => (isOver = true))
  let turns = 0
  for (; !isOver; turns++) loop.turn(1000)
  expect(fired).toBe(false)
  // Rounded up: a loop that rounds down turns thousands of times in the last millisecond.
  expect(turns).toBeLessThanOrEqual(3)
})

test('counters tell turns without any work from others', () => {
  loop.turn(0)
  loop.turn(0)
  loop.again({ run: () => {} })
  loop.turn(0)
  loop.add(wokenEventfd(), LEVEL_READ, { onEvents: () => {} })
  loop.turn(0)
  expect(loop.counters).toEqual({ turns: 4, events: 1, emptyTurns: 2, faults: 0 })
})

test('run() goes on until stop()', () => {
  let turns = 0
  const task = {
    run: (): void => {
      if (++turns === 5) loop.stop()
      else loop.again(task)
    },
  }
  loop.again(task)
  loop.run()
  expect(turns).toBe(5)
})

test('run() wakes at least once a second without anything to do', () => {
  const { turns } = loop.counters
  loop.after(1500, () => loop.stop())
  loop.run()
  expect(loop.counters.turns - turns).toBeGreaterThanOrEqual(2)
})

test('add() throws for what cannot be polled', () => {
  expect(() => loop.add(1_000_000, LEVEL_READ, { onEvents: () => {} })).toThrow(
    'epoll_ctl add 1000000: EBADF',
  )
  expect(loop.sourceCount).toBe(0)
})
