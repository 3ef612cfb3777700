import { X509Certificate } from 'node:crypto'
import { testCa } from '@ambient/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { uriSans } from './uri-sans.ts'

const ca = await testCa()
const URIS = ['spiffe://cluster.local/ns/a/sa/b', 'spiffe://other.org/x']

async function der(request: Parameters<typeof ca.issue>[0]): Promise<Uint8Array> {
  return new X509Certificate((await ca.issue(request)).certificateChainPem).raw
}

test.each([
  { name: 'one', request: { uris: URIS.slice(0, 1) }, expected: URIS.slice(0, 1) },
  { name: 'two, in order', request: { uris: URIS }, expected: URIS },
  {
    name: 'those among other names',
    request: { uris: URIS, dnsNames: ['a.b'], ips: ['10.0.0.1'] },
    expected: URIS,
  },
  { name: 'none of other names', request: { dnsNames: ['spiffe://not.a.uri'] }, expected: [] },
  { name: 'none without the extension', request: {}, expected: [] },
  {
    name: 'a long one',
    request: { uris: [`spiffe://cluster.local/${'x'.repeat(2000)}`] },
    expected: [`spiffe://cluster.local/${'x'.repeat(2000)}`],
  },
])('uriSans() gives $name', async ({ request, expected }) => {
  expect(uriSans(await der(request))).toEqual(expected)
})

test('uriSans() of the root, which has no names, is empty', () => {
  expect(uriSans(new X509Certificate(ca.rootPem).raw)).toEqual([])
})

test('uriSans() of cut or altered bytes gives names or throws RangeError, and nothing else', async () => {
  const bytes = await der({ uris: URIS })
  const altered = fc.record({ at: fc.nat(bytes.length - 1), byte: fc.nat(255), end: fc.nat(bytes.length) })
  fc.assert(
    fc.property(altered, ({ at, byte, end }) => {
      const copy = Uint8Array.from(bytes)
      copy[at] = byte
      try {
        uriSans(copy.subarray(0, Math.max(1, end)))
      } catch (cause) {
        expect(cause).toBeInstanceOf(RangeError)
      }
    }),
    { numRuns: 5000 },
  )
})
