import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { systemClock } from './clock.ts'

test('systemClock.sleep() resolves after its time and leaves no listener', async () => {
  const { signal } = new AbortController()
  const startMs = systemClock.monotonicMs()
  await systemClock.sleep(20, signal)
  expect(systemClock.monotonicMs() - startMs).toBeGreaterThanOrEqual(15)
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('systemClock.sleep() rejects with the signal’s reason when it aborts', async () => {
  const controller = new AbortController()
  const sleeping = systemClock.sleep(60_000, controller.signal)
  const reason = new Error('enough')
  controller.abort(reason)
  await expect(sleeping).rejects.toBe(reason)
  await expect(systemClock.sleep(0, controller.signal)).rejects.toBe(reason)
})

test('systemClock.nowMs() is the host’s time', () =>
  expect(Math.abs(systemClock.nowMs() - Date.now())).toBeLessThan(1000))
