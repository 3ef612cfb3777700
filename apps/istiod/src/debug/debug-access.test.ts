import { expect, test } from 'vitest'
import { type DebugViewer, mayView } from './debug-access.ts'

const access = { fullNamespaces: ['istio-system', 'ops'] }

test.each<{ viewer: DebugViewer; proxy?: string; expected: boolean }>([
  { viewer: { kind: 'local' }, expected: true },
  { viewer: { kind: 'local' }, proxy: 'shop', expected: true },
  { viewer: { kind: 'caller', namespace: 'istio-system' }, expected: true },
  { viewer: { kind: 'caller', namespace: 'ops' }, proxy: 'shop', expected: true },
  { viewer: { kind: 'caller', namespace: 'shop' }, expected: false },
  { viewer: { kind: 'caller', namespace: 'shop' }, proxy: 'shop', expected: true },
  { viewer: { kind: 'caller', namespace: 'shop' }, proxy: 'other', expected: false },
])('mayView() says $expected to $viewer about a proxy of $proxy', ({ viewer, proxy, expected }) => {
  expect(mayView(viewer, proxy, access)).toBe(expected)
})
