import { expect, test } from 'vitest'
import { Arena, copyOut, withCString } from './arena.ts'

test('at() points into the arena, its end included, and nowhere else', () => {
  const arena = new Arena(64)
  arena.bytes.set([7, 8, 9], 61)
  expect([...copyOut(arena.at(61), 3)]).toEqual([7, 8, 9])
  expect(arena.at(64) - arena.base).toBe(64n)
  expect(() => arena.at(65)).toThrow('Cannot point at offset 65 of 64')
  expect(() => arena.at(-1)).toThrow(RangeError)
})

test('copyOut() gives a copy that later writes do not reach', () => {
  const arena = new Arena(8)
  const copy = copyOut(arena.base, 8)
  arena.bytes.fill(1)
  expect([...copy]).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
})

test('withCString() lends NUL-terminated UTF-8 with its length', () => {
  expect(withCString('pöd', (pointer, length) => copyOut(pointer, length + 1).toString('latin1'))).toBe(
    'pÃ¶d\0',
  )
})
