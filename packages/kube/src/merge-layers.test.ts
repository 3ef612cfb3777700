import { expect, test } from 'vitest'
import { type Layer, mergeLayers } from './merge-layers.ts'

const ref = { kind: 'Pod', namespace: 'shop', name: 'web' } as const
const base = {
  kind: 'Pod',
  metadata: { name: 'web', annotations: { a: 'user', b: 'user' } },
  spec: { ports: [1, 2], deep: { x: 1 } },
}
const layer = (part: Layer['part'], owner: string, value: Layer['value']): Layer => ({
  part,
  owner,
  ref,
  value,
})

test.each([
  { name: 'the object itself when nothing was written', layers: [], expected: base },
  {
    name: 'annotations over it, null taking away',
    layers: [layer('annotations', 'o', { a: 'mesh', b: null, c: 'mesh' })],
    expected: { ...base, metadata: { name: 'web', annotations: { a: 'mesh', c: 'mesh' } } },
  },
  {
    name: 'whole objects merged by map, lists replaced',
    layers: [layer('object', 'o', { spec: { ports: [3], deep: { y: 2 } } })],
    expected: { ...base, spec: { ports: [3], deep: { x: 1, y: 2 } } },
  },
  {
    name: 'the same whatever the order of reading: by part, then by owner',
    layers: [
      layer('annotations', 'z', { a: 'z' }),
      layer('object', 'a', { metadata: { annotations: { a: 'object' } } }),
      layer('annotations', 'b', { a: 'b' }),
    ],
    expected: { ...base, metadata: { name: 'web', annotations: { a: 'z', b: 'user' } } },
  },
  {
    name: 'conditions kept apart by type',
    layers: [
      layer('status', 'a', { conditions: [{ type: 'A', status: 'True' }] }),
      layer('status', 'b', { conditions: [{ type: 'B', status: 'False' }] }),
    ],
    expected: {
      ...base,
      status: {
        conditions: [
          { type: 'A', status: 'True' },
          { type: 'B', status: 'False' },
        ],
      },
    },
  },
])('mergeLayers() gives $name', ({ layers, expected }) => {
  const before = JSON.stringify(base)
  expect(mergeLayers(base, layers)).toEqual(expected)
  expect(JSON.stringify(base)).toBe(before)
})

test('mergeLayers() gives nothing when there is no object, whatever was written about it', () => {
  expect(
    mergeLayers(undefined, [layer('annotations', 'o', { a: 'b' }), layer('status', 'o', { phase: 'x' })]),
  ).toBeUndefined()
  expect(mergeLayers(undefined, [layer('object', 'o', { kind: 'Pod' })])).toEqual({ kind: 'Pod' })
})
