import { parseSpiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import { dumpCertificates } from './dump-certificates.ts'

const web = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')
const api = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/api')
// Made once with the openssl tool; its key was thrown away.
const pem = `-----BEGIN CERTIFICATE-----
MIHqMIGQAgEsMAoGCCqGSM49BAMCMAAwIBcNMjYxMTI0MDkyNzQzWhgPMjEwOTAx
MTMwOTI3NDNaMAAwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ09TxDrIHBQGyB
gECLxankPGkCoTmFAwjxuM82f8hiy8lMy+YIoGJ5B3gbhTW7I4PJjJ6XT/nxMl3Y
j45mmh6uMAoGCCqGSM49BAMCA0kAMEYCIQCzLRulu+/XwyO6cl27vzYVaRT2T9as
Sm+Rz0IqPg4eWwIhAOYMQkOIFFDBnJp1jX2kZIjOUkCwSODUoPGoI6gqlvke
-----END CERTIFICATE-----`

test('dumpCertificates() shows certificates and states, never keys', () => {
  const keyText = 'the private key'
  const svid = {
    id: web,
    certificateChainPem: `${pem}\n${pem}\n`,
    privateKeyPem: keyText,
    trustBundlePem: pem,
    notBeforeMs: 0,
    notAfterMs: 1,
  }
  const dump = dumpCertificates([
    { id: web, state: { kind: 'available', svid } },
    { id: api, state: { kind: 'unavailable', error: 'CA away' } },
    { id: web, state: { kind: 'initializing' } },
  ])
  const shown = {
    pem: Buffer.from(pem).toString('base64'),
    serialNumber: '2C',
    validFrom: '2026-11-24T09:27:43Z',
    expirationTime: '2109-01-13T09:27:43Z',
  }
  expect(dump).toEqual([
    { identity: api, state: 'Unavailable: CA away', certChain: [], rootCerts: [] },
    { identity: web, state: 'Available', certChain: [shown, shown], rootCerts: [shown] },
    { identity: web, state: 'Initializing', certChain: [], rootCerts: [] },
  ])
  expect(JSON.stringify(dump)).not.toContain(keyText)
})
