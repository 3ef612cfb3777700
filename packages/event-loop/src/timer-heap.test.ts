import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TimerHeap } from './timer-heap.ts'

test('takeDue() gives timers by time, whatever the order they came in, without the cancelled ones', () => {
  const entry = fc.record({ atMs: fc.integer({ min: 0, max: 1000 }), isCancelled: fc.boolean() })
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 200 }), (entries) => {
      const heap = new TimerHeap()
      const timers = entries.map(({ atMs }) => heap.add(atMs, () => {}))
      for (const [i, { isCancelled }] of entries.entries()) if (isCancelled) timers[i]?.cancel()
      const expected = entries
        .filter(({ isCancelled }) => !isCancelled)
        .map(({ atMs }) => atMs)
        .toSorted((a, b) => a - b)
      expect(heap.size).toBe(expected.length)
      const taken: number[] = []
      for (let due = heap.takeDue(1000); due !== undefined; due = heap.takeDue(1000)) taken.push(due.atMs)
      expect(taken).toEqual(expected)
    }),
  )
})

test('takeDue() leaves what is not due yet', () => {
  const heap = new TimerHeap()
  heap.add(10, () => {})
  expect([heap.takeDue(9.9), heap.takeDue(10)?.atMs, heap.takeDue(11)]).toEqual([undefined, 10, undefined])
})

test('add() keeps the heap small under many timers that are cancelled early', () => {
  const heap = new TimerHeap()
  heap.add(50_000, () => {})
  for (let i = 0; i < 100_000; i++) heap.add(60_000 + i, () => {}).cancel()
  expect(heap.size).toBe(1)
  expect(heap.entries).toBeLessThan(2100)
  expect(heap.nextAtMs()).toBe(50_000)
})

test('cancel() lets go of the closure at once', async () => {
  const heap = new TimerHeap()
  const target = new WeakRef(hold(heap))
  await new Promise((resolve) => setImmediate(resolve))
  globalThis.gc?.()
  expect(globalThis.gc === undefined ? undefined : target.deref()).toBe(undefined)
  expect(heap.entries).toBe(1)
})

test('fire() runs once, and cancel() afterwards changes nothing', () => {
  const heap = new TimerHeap()
  let fired = 0
  const timer = heap.add(1, () => fired++)
  heap.add(2, () => fired++)
  const due = heap.takeDue(1)
  due?.fire()
  due?.fire()
  timer.cancel()
  expect([fired, heap.size]).toEqual([1, 1])
})

function hold(heap: TimerHeap): object {
  const held = { big: true }
  heap.add(60_000, () => void held.big).cancel()
  return held
}
