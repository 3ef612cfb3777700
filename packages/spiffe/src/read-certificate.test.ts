import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readCertificate, splitPem } from './read-certificate.ts'
import { SpiffeError } from './spiffe-error.ts'

// Made once with the openssl tool; keys thrown away.
const twoUris = testdata('two-uris.pem')
const uriWithComma = testdata('uri-with-comma.pem')
const noUri = testdata('no-uri.pem')

test('readCertificate() reads URI SANs, validity and serial number of the first certificate', () => {
  expect(readCertificate(`${twoUris}\n${noUri}`)).toEqual({
    uris: ['spiffe://cluster.local/ns/shop/sa/web', 'spiffe://cluster.local/ns/shop/sa/api'],
    serialNumber: '2A',
    notBeforeMs: Date.parse('2026-11-24T09:27:43Z'),
    notAfterMs: Date.parse('2109-01-13T09:27:43Z'),
  })
})

test('readCertificate() takes a URI that holds a comma for one URI', () => {
  expect(readCertificate(uriWithComma).uris).toEqual([
    'https://example.com/a, URI:spiffe://cluster.local/ns/shop/sa/root',
  ])
})

test('readCertificate() finds no URI where there is none', () =>
  expect(readCertificate(noUri).uris).toEqual([]))

test('splitPem() takes a chain apart', () => {
  expect(splitPem(`noise\n${twoUris}\n${noUri}\n`)).toEqual([twoUris.trim(), noUri.trim()])
})

test.each(['', 'no certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'])(
  'readCertificate() throws our error for "%s"',
  (pem) => expect(() => readCertificate(pem)).toThrow(SpiffeError),
)

function testdata(name: string): string {
  return readFileSync(new URL(`../testdata/${name}`, import.meta.url), 'utf8')
}
