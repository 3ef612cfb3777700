import { EventLoop } from '@ambient/event-loop'
import { turnUntil } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { hboneLimits } from './limits.ts'
import { SessionTimers } from './session-timers.ts'

test('keepPinging() pings until cancel(), also when that comes out of a ping itself', async () => {
  using loop = new EventLoop()
  let pings = 0
  let ticks = 0
  const timers: SessionTimers = new SessionTimers({
    loop,
    limits: hboneLimits({ pingMs: 1 }),
    sendPing: () => {
      pings++
      timers.pingAnswered()
    },
    onTick: () => {
      if (++ticks === 3) timers.cancel()
    },
    onLate: () => expect.unreachable(),
    onSilence: () => expect.unreachable(),
    onFault: (cause) => expect.fail(String(cause)),
  })
  timers.keepPinging()
  await turnUntil(loop, 'three pings', () => ticks === 3)
  timers.keepPinging()
  timers.expectWithin(1)
  let isLater = false
  loop.after(50, () => (isLater = true))
  await turnUntil(loop, 'time for more', () => isLater)
  expect({ pings, ticks }).toEqual({ pings: 3, ticks: 3 })
})
