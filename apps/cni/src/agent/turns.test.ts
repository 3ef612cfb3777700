import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

test('Turns lets one at a time work, and tells the others when it is done, even when it failed', async () => {
  const told: string[] = []
  const turns = new Turns((key) => told.push(key))
  const first = Promise.withResolvers<void>()
  const done = turns.take('a', () => first.promise)
  expect(await turns.take('b', () => Promise.reject(new Error('not its turn')))).toBe(false)
  expect(await turns.take('b', () => Promise.resolve())).toBe(false)
  expect(told).toEqual([])
  first.reject(new Error('broken'))
  await expect(done).rejects.toThrow('broken')
  expect(told).toEqual(['b'])
  expect(await turns.take('b', () => Promise.resolve())).toBe(true)
})
