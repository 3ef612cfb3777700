import { X509Certificate } from 'node:crypto'
import { parseSpiffeId } from '@ambient/spiffe'
import { testCa } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { svidFromChain } from './svid-from-chain.ts'

const id = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')
const other = 'spiffe://cluster.local/ns/shop/sa/other'
const ca = await testCa()
const below = await ca.intermediate()
const good = await ca.issue({ uris: [id] })
const nowMs = Date.now()

test('svidFromChain() takes a leaf and roots', () => {
  const svid = svidFromChain(id, [good.certificateChainPem, good.rootsPem], good.privateKeyPem, nowMs)
  expect(svid).toMatchObject({ id, privateKeyPem: good.privateKeyPem, trustBundlePem: good.rootsPem })
  const { validFromDate, validToDate } = new X509Certificate(good.certificateChainPem)
  expect([svid.notBeforeMs, svid.notAfterMs]).toEqual([validFromDate.getTime(), validToDate.getTime()])
})

test('svidFromChain() puts intermediates after the leaf, and keeps all roots of the last element', async () => {
  const issued = await below.issue({ uris: [id] })
  const [leaf = '', intermediate = ''] = issued.certificateChainPem.split(/(?=-----BEGIN)/)
  const roots = `${ca.rootPem}\n${(await testCa('second')).rootPem}\n`
  const svid = svidFromChain(id, [leaf, `${intermediate}\n`, roots], issued.privateKeyPem, nowMs)
  expect(svid.certificateChainPem).toBe(`${leaf.trim()}\n${intermediate.trim()}\n`)
  expect(svid.trustBundlePem).toBe(roots)
})

test.each([
  { name: 'nothing', chain: [], message: 'not 0 element(s)' },
  { name: 'a leaf without roots', chain: [good.certificateChainPem], message: 'not 1 element(s)' },
  {
    name: 'a certificate of somebody else',
    chain: [(await ca.issue({ uris: [other] })).certificateChainPem, ca.rootPem],
    message: `it is of ${other}`,
  },
  {
    name: 'two identities',
    chain: [(await ca.issue({ uris: [id, other] })).certificateChainPem, ca.rootPem],
    message: `it is of ${id}, ${other}`,
  },
  {
    name: 'no identity',
    chain: [(await ca.issue({ dnsNames: ['web'] })).certificateChainPem, ca.rootPem],
    message: 'it is of nobody',
  },
  {
    name: 'another key',
    chain: [(await ca.issue({ uris: [id] })).certificateChainPem, ca.rootPem],
    message: 'it is of another key',
  },
  { name: 'text', chain: ['hello', ca.rootPem], message: 'something that is no certificate' },
  {
    name: 'roots that are none',
    chain: [good.certificateChainPem, 'hello'],
    message: 'something that is no certificate',
  },
])('svidFromChain() refuses $name', ({ chain, message }) => {
  expect(() => svidFromChain(id, chain, good.privateKeyPem, nowMs)).toThrow(message)
})

test('svidFromChain() refuses a certificate that has ended', () => {
  const end = new X509Certificate(good.certificateChainPem).validToDate.getTime()
  expect(() => svidFromChain(id, [good.certificateChainPem, good.rootsPem], good.privateKeyPem, end)).toThrow(
    'it ended at',
  )
})
