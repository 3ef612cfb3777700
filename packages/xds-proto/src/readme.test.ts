import { expect, test } from 'vitest'
import { decodeWireAddress, encodeWireAddress } from './index.ts'

test('the README’s example runs', () => {
  const bytes = encodeWireAddress({ workload: { uid: 'web-1', addresses: [Uint8Array.of(10, 0, 0, 1)] } })
  expect(decodeWireAddress(bytes).workload?.uid).toBe('web-1')
})
