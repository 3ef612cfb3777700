import type { Clock } from '@ambient/lifecycle'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ChangeBatcher } from './change-batcher.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

const clock: Pick<Clock, 'monotonicMs'> = { monotonicMs: () => performance.now() }

function batcher(): { readonly batches: string[]; readonly batcher: ChangeBatcher<string> } {
  const batches: string[] = []
  const made = new ChangeBatcher<string>({
    clock: clock as Clock,
    windowMs: 10,
    commit: (changes) => batches.push(changes.join('+')),
  })
  return { batches, batcher: made }
}

test('add() holds everything until release(), which commits it at once', () => {
  const { batches, batcher: it } = batcher()
  it.add('a', 'a1')
  it.add('b', 'b1')
  it.add('a', 'a2')
  vi.advanceTimersByTime(1_000)
  expect(batches).toEqual([])
  it.release()
  expect(batches).toEqual(['a2+b1'])
  it.release()
  expect(batches).toEqual(['a2+b1'])
})

test('add() commits the first change at once and the next ones together, 10 ms later, without putting them off', () => {
  const { batches, batcher: it } = batcher()
  it.release()
  vi.advanceTimersByTime(10)
  it.add('a', 'first')
  vi.advanceTimersByTime(0)
  expect(batches).toEqual(['', 'first'])
  for (let ms = 0; ms < 10; ms++) {
    it.add(`k${ms}`, `${ms}`)
    vi.advanceTimersByTime(1)
  }
  vi.advanceTimersByTime(0)
  expect(batches).toEqual(['', 'first', '0+1+2+3+4+5+6+7+8+9'])
  it.add('b', 'within the next window')
  vi.advanceTimersByTime(9)
  expect(batches).toHaveLength(3)
  vi.advanceTimersByTime(1)
  expect(batches).toHaveLength(4)
})

test('dispose() commits nothing any more', () => {
  const { batches, batcher: it } = batcher()
  it.release()
  vi.advanceTimersByTime(10)
  it.add('a', 'a')
  it[Symbol.dispose]()
  vi.advanceTimersByTime(0)
  vi.advanceTimersByTime(100)
  expect(batches).toEqual([''])
  expect(vi.getTimerCount()).toBe(0)
})
