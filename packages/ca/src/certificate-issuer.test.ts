import { execFileSync } from 'node:child_process'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '@ambient/lifecycle'
import { parseSpiffeId } from '@ambient/spiffe'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CertificateIssuer, type IssuerOptions, SelfSignedSource } from './index.ts'

const id = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')
const directory = mkdtempSync(join(tmpdir(), 'ca-issuer-'))
const P256 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'] as const
let issuer: CertificateIssuer

const options = (clock: Pick<Clock, 'nowMs'> = systemClock): IssuerOptions => ({
  source: new SelfSignedSource({ directory, trustDomain: 'cluster.local', clock }),
  clock,
  defaultTtlSeconds: 3600,
  maxTtlSeconds: 7200,
})
const openssl = (...args: string[]): string =>
  execFileSync('openssl', args, { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** A request as another program makes it, with names that nobody authorised. */
function request(...key: readonly string[]): string {
  openssl('genpkey', '-out', 'key.pem', ...key)
  return openssl(
    'req',
    '-new',
    '-key',
    'key.pem',
    '-subj',
    '/CN=somebody',
    '-addext',
    'subjectAltName=URI:spiffe://cluster.local/ns/other/sa/admin',
  )
}

beforeAll(async () => {
  issuer = await CertificateIssuer.open(options())
})
afterAll(() => rmSync(directory, { recursive: true }))

test.each([
  { name: 'P-256', key: P256 },
  { name: 'P-384', key: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'] },
  {
    name: 'RSA 2048',
    key: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
    usages: 'Digital Signature, Key Encipherment',
  },
  { name: 'Ed25519', key: ['-algorithm', 'ED25519'] },
])(
  'sign() takes a $name request of openssl, and gives what openssl verifies, under the authorised name only',
  async ({ key, usages = 'Digital Signature' }) => {
    const [leafPem = '', rootsPem = ''] = await issuer.sign(request(...key), id, 600)
    writeFileSync(join(directory, 'leaf.pem'), leafPem)
    writeFileSync(join(directory, 'roots.pem'), rootsPem)
    for (const purpose of ['sslclient', 'sslserver']) {
      expect(openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', 'roots.pem', 'leaf.pem')).toBe(
        'leaf.pem: OK\n',
      )
    }
    const leaf = new X509Certificate(leafPem)
    expect(leaf.subjectAltName).toBe(`URI:${id}`)
    expect(leaf.publicKey.equals(createPublicKey(readFileSync(join(directory, 'key.pem'))))).toBe(true)
    const text = openssl('x509', '-in', 'leaf.pem', '-noout', '-text')
    expect(text).toMatch(/Subject: *\n/)
    expect(text).toMatch(/Subject Alternative Name: critical/)
    expect(text).toMatch(new RegExp(`Key Usage: critical\\s+${usages}\n`))
    expect(text).toMatch(
      /Extended Key Usage: *\s+TLS Web Server Authentication, TLS Web Client Authentication\n/,
    )
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/)
  },
)

test.each([
  {
    name: 'an RSA key of 1024 bits',
    key: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
    message: 'an RSA key of 1024 bits',
  },
  {
    name: 'a key on another curve',
    key: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
    message: 'secp256k1',
  },
  { name: 'a key of another kind', key: ['-algorithm', 'ED448'], message: 'a key of type ed448' },
])('sign() refuses $name', async ({ key, message }) => {
  const refused = issuer.sign(request(...key), id, 600)
  await expect(refused).rejects.toMatchObject({ code: 'CSR_INVALID' })
  await expect(refused).rejects.toThrow(message)
})

test('sign() refuses a request that its key did not sign', async () => {
  const pem = request('-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256')
  const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
  const name = der.indexOf('somebody')
  der.write('somebodY', name)
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64').replaceAll(/(.{64})/g, '$1\n')}\n-----END CERTIFICATE REQUEST-----\n`
  await expect(issuer.sign(forged, id, 600)).rejects.toThrow('that its own key did not sign')
})

test.each([
  { name: 'the default for nothing', asked: 0, seconds: 3600 },
  { name: 'the default for less than nothing', asked: -5, seconds: 3600 },
  { name: 'what was asked for', asked: 60, seconds: 60 },
  { name: 'the most there is', asked: 7200, seconds: 7200 },
])('sign() gives $name, and starts two minutes ago', async ({ asked, seconds }) => {
  const nowMs = Date.parse('2030-01-01T00:00:00Z')
  const fixed = await CertificateIssuer.open(options(at(nowMs)))
  const [pem = ''] = await fixed.sign(request('-algorithm', 'ED25519'), id, asked)
  const leaf = new X509Certificate(pem)
  expect(leaf.validFromDate.getTime()).toBe(nowMs - 120_000)
  expect(leaf.validToDate.getTime()).toBe(nowMs + seconds * 1000)
})

test('sign() gives nothing that outlives the root, and nothing at all after it', async () => {
  const csr = request('-algorithm', 'ED25519')
  const late = await CertificateIssuer.open(options(at(issuer.expiry.rootMs - 60_000)))
  const [pem = ''] = await late.sign(csr, id, 7200)
  expect(new X509Certificate(pem).validToDate.getTime()).toBe(issuer.expiry.rootMs)
  const tooLate = await CertificateIssuer.open(options(at(issuer.expiry.rootMs)))
  await expect(tooLate.sign(csr, id, 60)).rejects.toThrow('the CA has expired')
})

function at(nowMs: number): Pick<Clock, 'nowMs'> {
  return { nowMs: () => nowMs }
}

test('sign() gives the anchors of now after the own roots, each once; they are no roots of the control plane', async () => {
  openssl('genpkey', '-out', 'other.key', ...P256)
  const other = openssl('req', '-x509', '-new', '-key', 'other.key', '-subj', '/CN=other').trim()
  let anchors = ''
  const anchored = await CertificateIssuer.open({ ...options(), anchors: () => anchors })
  const bundle = async (): Promise<string | undefined> =>
    (await anchored.sign(request(...P256), id, 60)).at(-1)
  expect(await bundle()).toBe(anchored.rootsPem)
  anchors = `${other}\n${anchored.rootsPem}`
  expect(await bundle()).toBe(`${anchored.rootsPem}${other}\n`)
  expect(anchored.rootsPem).not.toContain(other)
  anchors = ''
  expect(await bundle()).toBe(anchored.rootsPem)
})
