import { expect, test } from 'vitest'
import { Field } from './field.ts'
import { includesLabels, readLabelSelector, selectsLabels } from './label-selector.ts'

const labels = { app: 'web', tier: 'front' }

test.each([
  { name: 'everything when it is empty', selector: {}, expected: true },
  { name: 'equal labels', selector: { matchLabels: { app: 'web' } }, expected: true },
  { name: 'no other value', selector: { matchLabels: { app: 'db' } }, expected: false },
  {
    name: 'only when all labels are there',
    selector: { matchLabels: { app: 'web', zone: 'a' } },
    expected: false,
  },
  {
    name: 'In',
    selector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['db', 'web'] }] },
    expected: true,
  },
  {
    name: 'In not for an absent label',
    selector: { matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] },
    expected: false,
  },
  {
    name: 'NotIn for an absent label',
    selector: { matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['a'] }] },
    expected: true,
  },
  {
    name: 'NotIn not for a listed value',
    selector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] },
    expected: false,
  },
  { name: 'Exists', selector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] }, expected: true },
  {
    name: 'DoesNotExist not for a label that is there',
    selector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] },
    expected: false,
  },
  {
    name: 'both parts together',
    selector: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'Exists' }] },
    expected: true,
  },
])('selectsLabels() takes $name', ({ selector, expected }) => {
  const read = readLabelSelector(new Field('x', selector))
  expect(read !== undefined && selectsLabels(read, labels)).toBe(expected)
})

test('readLabelSelector() gives nothing for an absent selector and refuses what has no meaning', () => {
  const read = (value: unknown): unknown =>
    readLabelSelector(new Field('Gateway a/b', { spec: value }).get('spec'))
  expect(read(undefined)).toBeUndefined()
  expect(() => read({ matchExpressions: [{ key: 'a', operator: 'Like' }] })).toThrow(
    'Cannot read Gateway a/b: spec.matchExpressions[0].operator must be In, NotIn, Exists or DoesNotExist: "Like"',
  )
  expect(() => read({ matchExpressions: [{ key: 'a', operator: 'In', values: [] }] })).toThrow(
    'must not be empty',
  )
})

test('includesLabels() does not find labels that every object inherits', () => {
  expect(includesLabels({}, { constructor: 'x' })).toBe(false)
  expect(includesLabels({ a: 'b' }, {})).toBe(true)
})
