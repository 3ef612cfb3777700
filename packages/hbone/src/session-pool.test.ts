import { EventLoop } from '@ambient/event-loop'
import { closeDescriptor, streamPair } from '@ambient/linux'
import { leakedDescriptors, openDescriptors } from '@ambient/testkit'
import { PlainTransport } from '@ambient/tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connectFields } from './connect-message.ts'
import { H2Session } from './h2-session.ts'
import { hboneLimits, type HboneLimits } from './limits.ts'
import { LoopBuffers } from './loop-buffers.ts'
import { SessionPool } from './session-pool.ts'
import type { Tunnel } from './tunnel.ts'

let loop: EventLoop
let base: ReadonlyMap<number, string>
const others: number[] = []

beforeEach(() => {
  loop = new EventLoop()
  base = openDescriptors()
})
afterEach(() => {
  for (const fd of others.splice(0)) closeDescriptor(fd)
  for (let i = 0; i < 50 && loop.sourceCount > 0; i++) loop.turn(20)
  expectNothingLeft()
  loop[Symbol.dispose]()
})

function expectNothingLeft(): void {
  expect(loop.sourceCount).toBe(0)
  expect(leakedDescriptors(base)).toEqual([])
}

/** A pool whose sessions reach a peer that says nothing. */
function makePool(overrides: Partial<HboneLimits> = {}): {
  pool: SessionPool
  dials: () => number
  checkout: (key: string) => H2Session | undefined
} {
  const limits = hboneLimits(overrides)
  const buffers = new LoopBuffers(limits)
  const pool = new SessionPool(loop, limits)
  let dials = 0
  const dial = (key: string): H2Session => {
    const [ours, theirs] = streamPair()
    others.push(theirs)
    dials++
    const session: H2Session = new H2Session(ours, new PlainTransport(ours), 'client', {
      loop,
      limits,
      buffers,
      onChange: (changed) => pool.changed(key, changed),
    })
    return session
  }
  return { pool, dials: () => dials, checkout: (key) => pool.checkout(key, () => dial(key)) }
}

function open(session: H2Session | undefined): Tunnel {
  const [ours, theirs] = streamPair()
  others.push(theirs)
  if (session === undefined) throw new Error('Cannot open a tunnel without a session')
  const tunnel = session.open(ours, connectFields('10.0.0.1:80'))
  tunnel.onEnd = (end) => {
    if (end.kind === 'untouched') closeDescriptor(end.fd)
  }
  return tunnel
}

describe('SessionPool', () => {
  test('checkout() gives one key one session until it is full, also while it connects', () => {
    const { pool, dials, checkout } = makePool({ poolStreams: 3 })
    const first = checkout('a')
    for (let i = 0; i < 3; i++) {
      expect(checkout('a')).toBe(first)
      open(first)
    }
    expect(checkout('a')).not.toBe(first)
    expect(checkout('b')).not.toBe(first)
    expect([dials(), pool.size]).toEqual([3, 3])
    pool.close('done')
    expect(pool.size).toBe(0)
  })

  test('checkout() prefers the fullest session with room, and one that was full when it has room again', () => {
    const { pool, checkout } = makePool({ poolStreams: 2 })
    const first = checkout('a')
    const tunnels = [open(first), open(first)]
    const second = checkout('a')
    open(second)
    tunnels[0]?.abort('done')
    expect(first?.tunnels.size).toBe(1)
    open(checkout('a'))
    expect([first?.tunnels.size, second?.tunnels.size]).toEqual([2, 1])
    tunnels[1]?.abort('done')
    open(checkout('a'))
    expect([first?.tunnels.size, second?.tunnels.size].toSorted((a = 0, b = 0) => a - b)).toEqual([1, 2])
    pool.close('done')
  })

  test('a session without tunnels for the idle time is drained by a sweep, one with tunnels is not', () => {
    const { pool, checkout } = makePool({ poolIdleMs: 50 })
    const idle = checkout('idle')
    const busy = checkout('busy')
    open(idle).abort('done')
    open(busy)
    loop.turn(0)
    expect(pool.idleCount).toBe(1)
    for (let i = 0; i < 40 && pool.size > 1; i++) loop.turn(10)
    expect(pool.size).toBe(1)
    expect(idle?.isClosed).toBe(true)
    expect(busy?.isClosed).toBe(false)
    pool.close('done')
  })

  test('a session that is used again in time is not swept', () => {
    const { pool, checkout } = makePool({ poolIdleMs: 50 })
    const session = checkout('a')
    open(session).abort('done')
    open(checkout('a'))
    for (let i = 0; i < 15; i++) loop.turn(10)
    expect(session?.isClosed).toBe(false)
    expect(pool.idleCount).toBe(0)
    pool.close('done')
  })

  test('checkout() drains the session idle longest when the pool is full, and refuses when all are busy', () => {
    const { pool, checkout } = makePool({ poolSessions: 2 })
    const first = checkout('a')
    open(first).abort('done')
    const second = checkout('b')
    open(second)
    loop.turn(0)
    const third = checkout('c')
    open(third)
    expect([first?.hasRoom, pool.size]).toEqual([false, 2])
    expect(checkout('d')).toBeUndefined()
    pool.close('done')
  })

  test('checkout() gives nothing when there is no socket to be had', () => {
    const { pool } = makePool()
    expect(pool.checkout('a', () => undefined)).toBeUndefined()
    expect(pool.size).toBe(0)
  })

  test('a session that closes leaves before its tunnels are told', () => {
    const { pool, checkout } = makePool()
    const session = checkout('a')
    const tunnel = open(session)
    let sizeWhenTold = -1
    const { onEnd } = tunnel
    tunnel.onEnd = (end) => {
      sizeWhenTold = pool.size
      onEnd(end)
    }
    session?.close('killed')
    expect(sizeWhenTold).toBe(0)
  })
})
