import { expect, test } from 'vitest'
import { Places } from './places.ts'

test('run() lets so many work at once and the next when one is through, also by failing', async () => {
  const places = new Places(2)
  const begun: number[] = []
  const works = [0, 1, 2, 3].map((n) => ({ n, end: Promise.withResolvers<number>() }))
  const ended = works.map(({ n, end }) =>
    places.run(() => {
      begun.push(n)
      return end.promise
    }),
  )
  expect(begun).toEqual([0, 1])
  works[1]?.end.resolve(10)
  expect(await ended[1]).toBe(10)
  expect(begun).toEqual([0, 1, 2])
  works[0]?.end.reject(new Error('no'))
  await expect(ended[0]).rejects.toThrow('no')
  expect(begun).toEqual([0, 1, 2, 3])
  for (const { end } of works) end.resolve(0)
  await Promise.allSettled(ended)
  const again = places.run(() => Promise.resolve(5))
  expect(await again).toBe(5)
})
