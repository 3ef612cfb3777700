import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Backoff } from './backoff.ts'

const options = { firstMs: 1000, factor: 2, maxMs: 150_000, jitter: 0.2 }

test('Backoff.nextMs() doubles to its cap and begins anew after reset()', () => {
  const backoff = new Backoff(options, { float: () => 0.5 })
  const delays = Array.from({ length: 10 }, () => backoff.nextMs())
  expect(delays).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 150_000, 150_000])
  backoff.reset()
  expect(backoff.nextMs()).toBe(1000)
})

test('Backoff.nextMs() stays within its jitter and never above the cap', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(20), (float, step) => {
      const backoff = new Backoff(options, { float: () => float })
      for (let i = 0; i < step; i++) backoff.nextMs()
      const base = Math.min(150_000, 1000 * 2 ** step)
      const delay = backoff.nextMs()
      expect(delay).toBeGreaterThanOrEqual(base * 0.8 - 1e-6)
      expect(delay).toBeLessThanOrEqual(Math.min(150_000, base * 1.2 + 1e-6))
    }),
  )
})
