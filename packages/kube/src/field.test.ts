import { expect, test } from 'vitest'
import { Field } from './field.ts'

const field = new Field('Pod shop/web', {
  spec: { a: 'text', n: 5, yes: true, list: ['x', 'y'], map: { k: 'v' }, nothing: null },
})
const spec = field.get('spec')

test('get() reads what is there and nothing where there is nothing', () => {
  expect(spec.get('a').text()).toBe('text')
  expect(spec.get('n').integer()).toBe(5)
  expect(spec.get('yes').boolean()).toBe(true)
  expect(spec.get('list').texts()).toEqual(['x', 'y'])
  expect(spec.get('map').textMap()).toEqual({ k: 'v' })
  expect(spec.get('nothing').isAbsent).toBe(true)
  expect(field.get('gone').get('deeper').text()).toBeUndefined()
  expect(field.get('gone').list()).toEqual([])
  expect(field.get('constructor').isAbsent).toBe(true)
})

test.each([
  {
    name: 'text()',
    read: () => spec.get('n').text(),
    message: 'Cannot read Pod shop/web: spec.n must be a string: 5',
  },
  {
    name: 'requiredText()',
    read: () => spec.get('gone').requiredText(),
    message: 'spec.gone must be set: nothing',
  },
  {
    name: 'integer()',
    read: () => spec.get('a').integer(),
    message: 'spec.a must be a whole number: "text"',
  },
  { name: 'boolean()', read: () => spec.get('n').boolean(), message: 'spec.n must be true or false: 5' },
  { name: 'list()', read: () => spec.get('map').list(), message: 'spec.map must be a list: {"k":"v"}' },
  { name: 'record()', read: () => spec.get('list').record(), message: 'spec.list must be a map: ["x","y"]' },
  { name: 'get()', read: () => spec.get('a').get('b'), message: 'spec.a must be a map: "text"' },
  {
    name: 'list() item',
    read: () => spec.get('list').list()[1]?.integer(),
    message: 'spec.list[1] must be a whole number: "y"',
  },
  {
    name: 'refuseOthers()',
    read: () => spec.refuseOthers(['a', 'yes', 'list']),
    message: 'spec.n is none of a, yes, list: 5',
  },
  { name: 'textMap()', read: () => field.get('spec').textMap(), message: 'spec.n must be a string: 5' },
])('$name names object, place and value of what is of the wrong type', ({ read, message }) => {
  expect(read).toThrow(message)
  expect(read).toThrow(expect.objectContaining({ code: 'OBJECT_INVALID' }))
})
