import { expect, test } from 'vitest'
import { RateLimit } from './rate-limit.ts'

test('RateLimit gives as many turns at once as in a second, then one after the other, then none', () => {
  const limit = new RateLimit(10, 200)
  const waits = Array.from({ length: 14 }, () => limit.take(1000))
  expect(waits).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 200, undefined, undefined])
  expect(limit.take(1100)).toBe(200) // one turn has come, those that wait have it
  expect(limit.take(1100)).toBeUndefined()
})

test('RateLimit saves up no more than a second of turns', () => {
  const limit = new RateLimit(2, 0)
  expect([limit.take(0), limit.take(0), limit.take(0)]).toEqual([0, 0, undefined])
  expect([limit.take(3_600_000), limit.take(3_600_000), limit.take(3_600_000)]).toEqual([0, 0, undefined])
})
