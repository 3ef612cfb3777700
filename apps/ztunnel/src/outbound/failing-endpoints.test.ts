import { expect, test } from 'vitest'
import { FailingEndpoints } from './failing-endpoints.ts'
import { OUTBOUND_LIMITS } from './outbound-limits.ts'

test('FailingEndpoints remembers a failure for a while, or until the endpoint was reached', () => {
  const clock = { nowMs: 0 }
  const failing = new FailingEndpoints(clock)
  failing.note('a')
  failing.note('b')
  failing.forget('b')
  expect([failing.has('a'), failing.has('b'), failing.has('c')]).toEqual([true, false, false])
  clock.nowMs = OUTBOUND_LIMITS.failingMs.value
  expect([failing.has('a'), failing.size]).toEqual([false, 0])
})

test('FailingEndpoints forgets the oldest when there are too many', () => {
  const failing = new FailingEndpoints({ nowMs: 0 })
  for (let i = 0; i <= OUTBOUND_LIMITS.failingEndpoints.value; i++) failing.note(`e${i}`)
  failing.note('e1')
  failing.note('more')
  expect(failing.size).toBe(OUTBOUND_LIMITS.failingEndpoints.value)
  expect([failing.has('e0'), failing.has('e1'), failing.has('e2'), failing.has('more')]).toEqual([
    false,
    true,
    false,
    true,
  ])
})
