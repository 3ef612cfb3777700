import { type TestCa, testCa } from '@ambient/testkit'
import { beforeAll, expect, test } from 'vitest'
import { liveRevocationLists } from './live-objects.ts'
import { readCertificates } from './pem.ts'
import { RevocationLists } from './revocation-lists.ts'

let root: TestCa
/** Has the root's name and another key. */
let impostor: TestCa
let below: TestCa

beforeAll(async () => {
  root = await testCa()
  impostor = await testCa()
  below = await root.intermediate()
})

const der = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[^-]*-----|\s/g, ''), 'base64')

test('RevocationLists reads PEM with several lists, and one in DER', async () => {
  const [one, two] = [await root.revocationList([]), await below.revocationList([])]
  using several = new RevocationLists(Buffer.from(`# first\n${one}\n# second\n${two}`))
  using single = new RevocationLists(der(one))
  expect([several.count, single.count, liveRevocationLists()]).toEqual([2, 1, 3])
})

test.each([
  { name: 'nothing', file: () => '' },
  { name: 'something else', file: () => 'hello' },
  { name: 'half a list', file: (pem: string) => pem.slice(0, pem.length / 2) },
  { name: 'a list and half of another', file: (pem: string) => `${pem}\n${pem.slice(0, pem.length / 2)}` },
])('RevocationLists refuses $name, and keeps nothing', async ({ file }) => {
  const text = file(await root.revocationList([]))
  expect(() => new RevocationLists(Buffer.from(text))).toThrow(/^Cannot read revocation list/)
  expect(liveRevocationLists()).toBe(0)
})

test.each<{ name: string; isRevoked: boolean; list: (leafOf: string) => Promise<string> }>([
  { name: 'revoke() finds a leaf', isRevoked: true, list: (leaf) => below.revocationList([as(leaf)]) },
  { name: 'revoke() finds a CA', isRevoked: true, list: () => root.revocationList([below]) },
  { name: 'revoke() passes who is on no list', isRevoked: false, list: () => root.revocationList([]) },
  {
    name: 'revoke() does not take one issuer’s word for what another has issued',
    isRevoked: false,
    list: (leaf) => root.revocationList([as(leaf)]),
  },
  {
    name: 'revoke() does not believe a list that its issuer has not signed',
    isRevoked: false,
    list: () => impostor.revocationList([below]),
  },
])('$name', async ({ isRevoked, list }) => {
  const { certificateChainPem, rootsPem } = await below.issue({ uris: ['spiffe://a/ns/b/sa/c'] })
  using lists = new RevocationLists(Buffer.from(await list(certificateChainPem)))
  using chain = readCertificates(`${certificateChainPem}\n${rootsPem}`)
  expect(chain.pointers).toHaveLength(3)
  expect(lists.revoke(chain.pointers)).toBe(isRevoked)
})

function as(certificateChainPem: string): {
  certificateChainPem: string
  privateKeyPem: string
  rootsPem: string
} {
  return { certificateChainPem, privateKeyPem: '', rootsPem: '' }
}
