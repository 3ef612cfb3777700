import { expect, test } from 'vitest'
import { AsyncQueue } from './async-queue.ts'

test('AsyncQueue hands out items in order and ends after close()', async () => {
  const queue = new AsyncQueue<number>(10)
  queue.push(1)
  queue.push(2)
  queue.close()
  expect(queue.push(3)).toBe(false)
  expect(await collect(queue)).toEqual([1, 2])
})

test('AsyncQueue.push() refuses what does not fit, and takes more once the loop has taken some', async () => {
  const queue = new AsyncQueue<number>(2)
  expect([queue.push(1), queue.push(2), queue.push(3)]).toEqual([true, true, false])
  const taken: number[] = []
  for await (const item of queue) {
    taken.push(item)
    if (item === 1) expect(queue.push(4)).toBe(true)
    if (item === 4) queue.close()
  }
  expect(taken).toEqual([1, 2, 4])
})

test('AsyncQueue wakes a loop that waits', async () => {
  const queue = new AsyncQueue<string>(1)
  const all = collect(queue)
  await new Promise((resolve) => setImmediate(resolve))
  queue.push('late')
  await new Promise((resolve) => setImmediate(resolve))
  queue.close()
  expect(await all).toEqual(['late'])
  expect(queue.size).toBe(0)
})

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
