import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { splitPem } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import { CertificateIssuer, SelfSignedSource } from './index.ts'
import { csr, scratch, verifyWithOpenssl, web } from '../test/openssl.ts'

const DAY_MS = 86_400_000
const bornMs = Date.parse('2030-01-01T00:00:00Z')

function issuerAt(directory: string, clock: { nowMs: () => number }): Promise<CertificateIssuer> {
  return CertificateIssuer.open({
    source: new SelfSignedSource({ directory, trustDomain: 'cluster.local', clock }),
    clock,
    defaultTtlSeconds: 3600,
    maxTtlSeconds: 7200,
  })
}

test('SelfSignedSource makes a root that openssl takes for a CA, with the trust domain for its one URI, for ten years', async () => {
  using directory = scratch()
  const { rootsPem } = await issuerAt(directory.path, { nowMs: () => bornMs })
  writeFileSync(join(directory.path, 'roots.pem'), rootsPem)
  const text = execFileSync(
    'openssl',
    ['x509', '-in', join(directory.path, 'roots.pem'), '-noout', '-text'],
    {
      encoding: 'utf8',
    },
  )
  expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
  expect(text).toMatch(/Basic Constraints: critical\s+CA:TRUE\n/)
  const root = new X509Certificate(rootsPem)
  expect(root.subjectAltName).toBe('URI:spiffe://cluster.local')
  expect(root.subject).toBe('O=cluster.local')
  expect(Math.round((root.validToDate.getTime() - root.validFromDate.getTime()) / DAY_MS)).toBe(3650)
})

test('SelfSignedSource gives its root a successor in the last fifth of its life, and either verifies what both issued', async () => {
  using directory = scratch()
  let nowMs = bornMs
  const clock = { nowMs: () => nowMs }
  const issuer = await issuerAt(directory.path, clock)
  const replica = await issuerAt(directory.path, clock)
  const [oldRoot = ''] = splitPem(issuer.rootsPem)
  nowMs = bornMs + 3650 * 0.79 * DAY_MS
  expect(await issuer.refresh()).toBe(false)
  nowMs = bornMs + 3650 * 0.81 * DAY_MS
  const [before = ''] = await issuer.sign(csr(), web, 600)
  const changed = issuer.changed
  expect(await issuer.refresh()).toBe(true)
  await changed
  expect(await issuer.refresh()).toBe(false)
  const [newRoot = '', kept] = splitPem(issuer.rootsPem)
  expect(kept).toBe(oldRoot)
  expect(newRoot).not.toBe(oldRoot)
  const [after = '', bundle] = await issuer.sign(csr(), web, 600)
  expect(bundle).toBe(issuer.rootsPem)
  for (const leaf of [before, after])
    for (const roots of [oldRoot, newRoot, issuer.rootsPem]) verifyWithOpenssl({ leaf, roots, atMs: nowMs })

  // Another istiod on the same directory takes the successor instead of making one.
  expect(await replica.refresh()).toBe(true)
  expect(replica.rootsPem).toBe(issuer.rootsPem)

  nowMs = bornMs + 3651 * DAY_MS // the first root has ended
  expect(await issuer.refresh()).toBe(true)
  expect(splitPem(issuer.rootsPem)).toEqual([newRoot])
  expect((await issuerAt(directory.path, clock)).rootsPem).toBe(issuer.rootsPem)
})

test('SelfSignedSource does not use a root whose key is another’s, and leaves it alone', async () => {
  using one = scratch()
  using other = scratch()
  const clock = { nowMs: () => bornMs }
  await issuerAt(one.path, clock)
  await issuerAt(other.path, clock)
  const path = join(other.path, 'ca-root.pem')
  const [key] = readFileSync(join(one.path, 'ca-root.pem'), 'utf8').split('-----BEGIN CERTIFICATE')
  const own = readFileSync(path, 'utf8')
  const mixed = `${key}${own.slice(own.indexOf('-----BEGIN CERTIFICATE'))}`
  writeFileSync(path, mixed)
  await expect(issuerAt(other.path, clock)).rejects.toMatchObject({ code: 'CA_ROOT_INVALID' })
  expect(readFileSync(path, 'utf8')).toBe(mixed)
})

test('refresh() keeps what is in force when the file on disk has been broken', async () => {
  using directory = scratch()
  const issuer = await issuerAt(directory.path, { nowMs: () => bornMs })
  const { rootsPem } = issuer
  writeFileSync(join(directory.path, 'ca-root.pem'), 'not a root')
  await expect(issuer.refresh()).rejects.toMatchObject({ code: 'CA_ROOT_INVALID' })
  expect(issuer.rootsPem).toBe(rootsPem)
  await expect(issuer.sign(csr(), web, 60)).resolves.toHaveLength(2)
})
