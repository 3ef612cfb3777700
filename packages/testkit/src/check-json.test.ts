import { expect, test } from 'vitest'
import { checkJson } from './check-json.ts'

const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  $defs: { count: { type: 'integer' } },
  properties: {
    name: { type: 'string' },
    at: { type: 'string', format: 'date-time' },
    ips: { type: 'array', items: { type: 'string', format: 'ip' } },
    kind: { enum: ['a', 'b'] },
    more: { type: 'object', additionalProperties: { $ref: '#/$defs/count' } },
    either: { anyOf: [{ type: 'boolean' }, { type: 'object', properties: { x: { type: 'integer' } } }] },
  },
}

test('checkJson() says what the value nowhere has', () => {
  expect(checkJson(schema, { name: 'n', ips: [] })).toEqual({
    problems: [],
    unused: ['$.at', '$.kind', '$.more', '$.either', '$.either.x'],
  })
  const whole = {
    name: 'n',
    at: '2030-01-01T00:00:00.000Z',
    ips: ['10.0.0.1', 'fd00::1'],
    kind: 'a',
    more: { a: 1 },
    either: { x: 1 },
  }
  expect(checkJson(schema, whole)).toEqual({ problems: [], unused: [] })
})

test.each([
  { value: [], problem: '$: no object' },
  { value: {}, problem: '$.name: missing' },
  { value: { name: 1 }, problem: '$.name: 1 is no string' },
  { value: { name: 'n', x: 1 }, problem: '$.x: not in the schema' },
  { value: { name: 'n', at: 'yesterday' }, problem: '$.at: "yesterday" is no date-time' },
  { value: { name: 'n', ips: ['x'] }, problem: '$.ips[]: "x" is no ip' },
  { value: { name: 'n', kind: 'c' }, problem: '$.kind: "c" is none of a, b' },
  { value: { name: 'n', more: { a: 1.5 } }, problem: '$.more.a: no integer' },
  {
    value: { name: 'n', either: 1 },
    problem: '$.either: fits none of the alternatives ($.either: no boolean; $.either: no object)',
  },
])('checkJson() finds $problem', ({ value, problem }) => {
  expect(checkJson(schema, value).problems).toEqual([problem])
})
