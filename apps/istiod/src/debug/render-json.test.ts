import { expect, test } from 'vitest'
import { LazyList, LazyRecord, renderJson } from './render-json.ts'

const clock = { monotonicMs: () => performance.now() }
const list = (...elements: unknown[]): LazyList => new LazyList(() => elements)
const record = (fields: object): LazyRecord => new LazyRecord(() => Object.entries(fields))

test.each([
  { name: 'a plain value', value: { a: [1, 'x', null] }, expected: { a: [1, 'x', null] } },
  { name: 'an empty lazy list', value: list(), expected: [] },
  { name: 'a lazy list', value: list(1, { b: 2 }, 'c'), expected: [1, { b: 2 }, 'c'] },
  {
    name: 'an object with lazy lists',
    value: { 'a"': list(), b: list(1, 2), c: { d: 3 } },
    expected: { 'a"': [], b: [1, 2], c: { d: 3 } },
  },
  { name: 'an empty lazy record', value: record({}), expected: {} },
  {
    name: 'a lazy record with a lazy list, without what is undefined',
    value: record({ a: undefined, 'b"': { c: 1 }, d: list(2) }),
    expected: { 'b"': { c: 1 }, d: [2] },
  },
])('renderJson() writes $name, compact and pretty', async ({ value, expected }) => {
  expect(await renderJson(value, 'compact', clock)).toBe(`${JSON.stringify(expected)}\n`)
  expect(JSON.parse(await renderJson(value, 'pretty', clock))).toEqual(expected)
})

test('renderJson() lets other work run between the elements of a long list', async () => {
  let nowMs = 0
  let hasRun = false
  setImmediate(() => (hasRun = true))
  const slow = new LazyList(function* () {
    for (let element = 0; element < 20; element++) {
      nowMs += 2
      yield element
    }
  })
  const text = await renderJson(slow, 'compact', { monotonicMs: () => nowMs })
  expect(JSON.parse(text)).toHaveLength(20)
  expect(hasRun).toBe(true)
})
