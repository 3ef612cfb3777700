import { expect, test } from 'vitest'
import { encodedResource } from './encoded-resource.ts'

test.each([
  { name: '', size: 0 },
  { name: 'Kubernetes//Pod/shop/cart', size: 1 },
  { name: 'n'.repeat(127), size: 127 },
  { name: 'n'.repeat(128), size: 128 },
  { name: 'Σ'.repeat(100), size: 300 },
  { name: 'n'.repeat(20_000), size: 20_000 },
])('the message is found in its frame: name of $name.length characters, $size bytes', ({ name, size }) => {
  const bytes = Uint8Array.from({ length: size }, (_, index) => index % 251)
  const made = encodedResource({ name, typeUrl: 'type.googleapis.com/istio.workload.Address' }, bytes)
  expect([...made.bytes]).toEqual([...bytes])
})
