import { getEventListeners, once } from 'node:events'
import { expect, test } from 'vitest'
import { deadline } from './deadline.ts'

test('deadline() aborts with a TimeoutError after its time', async () => {
  using limit = deadline(undefined, 5)
  await once(limit.signal, 'abort')
  expect(limit.signal.reason).toMatchObject({ name: 'TimeoutError', message: 'Deadline of 5 ms passed' })
})

test('deadline() aborts with its parent’s reason', () => {
  const parent = new AbortController()
  using limit = deadline(parent.signal, 60_000)
  const reason = new Error('parent ended')
  parent.abort(reason)
  expect(limit.signal.reason).toBe(reason)
  using late = deadline(parent.signal, 60_000)
  expect(late.signal.reason).toBe(reason)
})

test('deadline() leaves nothing on its parent once disposed', () => {
  const parent = new AbortController()
  for (let i = 0; i < 100; i++) {
    using limit = deadline(parent.signal, 60_000)
    expect(limit.signal.aborted).toBe(false)
  }
  expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0)
})
