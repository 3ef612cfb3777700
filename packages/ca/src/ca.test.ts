import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { X509Certificate } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CaClient, CaClientError } from '@ambient/ca-client'
import { GrpcServer } from '@ambient/grpc'
import { type Clock, systemClock, systemRandom } from '@ambient/lifecycle'
import { parseSpiffeId } from '@ambient/spiffe'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  caMethods,
  type CaOutcome,
  CertificateIssuer,
  writeTrustFiles,
  ROOT_CERT_FILE,
  SelfSignedSource,
} from './index.ts'

const id = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')
let directory = ''
const closing: (() => Promise<void>)[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ca-'))
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  rmSync(directory, { recursive: true })
})

function open(): Promise<CertificateIssuer> {
  return openAt(systemClock)
}

function openAt(clock: Pick<Clock, 'nowMs'>): Promise<CertificateIssuer> {
  return CertificateIssuer.open({
    source: new SelfSignedSource({ directory, trustDomain: 'cluster.local', clock }),
    clock,
    defaultTtlSeconds: 86_400,
    maxTtlSeconds: 172_800,
  })
}

interface Serving {
  readonly ttlSeconds?: number
  readonly host?: string
  readonly altHostname?: string | undefined
  readonly ips?: readonly string[]
  readonly dnsNames?: readonly string[]
  readonly isOwnIdentity?: boolean
}

async function serve(
  issuer: CertificateIssuer,
  decision: { kind: 'issue'; id: typeof id } | { kind: 'refuse' },
  serving: Serving = {},
) {
  const results: string[] = []
  const seen: (string | undefined)[] = []
  const methods = caMethods(issuer, {
    authorize: ({ metadata }, impersonated) => {
      seen.push(impersonated, metadata.get('authorization'))
      return Promise.resolve(decision)
    },
    onOutcome: (outcome) => void results.push(textOf(outcome)),
  })
  const certificate = await issuer.issueServing({
    dnsNames: serving.dnsNames ?? ['istiod.istio-system.svc'],
    ips: serving.ips ?? [],
  })
  const server = await GrpcServer.open({
    address: '127.0.0.1',
    port: 0,
    credentials: { ...certificate, clientRootsPem: issuer.rootsPem },
    methods,
    random: systemRandom,
    onFault: (cause) => void results.push(String(cause)),
  })
  const { port } = server
  const client = new CaClient({
    address: { host: serving.host ?? 'localhost', port, plaintext: false },
    roots: () => Promise.resolve(issuer.rootsPem),
    altHostname: 'altHostname' in serving ? serving.altHostname : 'istiod.istio-system.svc',
    token: () => Promise.resolve('jwt'),
    headers: {},
    clusterId: 'Kubernetes',
    ttlSeconds: serving.ttlSeconds ?? 3600,
    clock: systemClock,
    isOwnIdentity: serving.isOwnIdentity ?? false,
  })
  closing.push(async () => {
    client[Symbol.dispose]()
    await server[Symbol.asyncDispose]()
  })
  return { client, results, seen }
}

function textOf(outcome: CaOutcome): string {
  if (outcome.kind === 'refused') return `refused: ${outcome.cause.code}`
  return outcome.kind === 'failed' ? `failed: ${String(outcome.cause)}` : outcome.kind
}

test.each([
  { isOwnIdentity: false, expected: id },
  { isOwnIdentity: true, expected: undefined },
])('requestCertificate() names whom it impersonates unless isOwnIdentity: $isOwnIdentity', async (row) => {
  const issuer = await open()
  const { client, seen } = await serve(issuer, { kind: 'issue', id }, row)
  await client.requestCertificate(id, AbortSignal.timeout(5000))
  expect(seen[0]).toBe(row.expected)
})

test('requestCertificate() gets an SVID of the identity, for both roles, under the root', async () => {
  const issuer = await open()
  const { client, results, seen } = await serve(issuer, { kind: 'issue', id })
  const svid = await client.requestCertificate(id, AbortSignal.timeout(5000))
  const leaf = new X509Certificate(svid.certificateChainPem)
  expect(leaf.subjectAltName).toBe(`URI:${id}`)
  expect(leaf.subject ?? '').toBe('')
  expect(leaf.ca).toBe(false)
  expect(leaf.keyUsage).toEqual(expect.arrayContaining(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']))
  expect(leaf.verify(new X509Certificate(svid.trustBundlePem).publicKey)).toBe(true)
  expect(svid.notAfterMs - svid.notBeforeMs).toBe(3_600_000 + 120_000)
  expect(svid.trustBundlePem).toBe(issuer.rootsPem)
  expect(seen).toEqual([id, 'Bearer jwt'])
  expect(results).toEqual(['issued'])
})

test('requestCertificate() fails when the CA refuses, names nothing, and is counted', async () => {
  const { client, results } = await serve(await open(), { kind: 'refuse' })
  await expect(client.requestCertificate(id, AbortSignal.timeout(5000))).rejects.toMatchObject({ code: 16 })
  expect(results).toEqual(['unauthenticated'])
})

test('requestCertificate() does not take a certificate of somebody else', async () => {
  const other = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/other')
  const { client } = await serve(await open(), { kind: 'issue', id: other })
  await expect(client.requestCertificate(id, AbortSignal.timeout(5000))).rejects.toThrow(CaClientError)
})

test('requestCertificate() for longer than allowed is an invalid argument', async () => {
  const { client, results } = await serve(await open(), { kind: 'issue', id }, { ttlSeconds: 999_999 })
  await expect(client.requestCertificate(id, AbortSignal.timeout(5000))).rejects.toMatchObject({ code: 3 })
  expect(results).toEqual(['refused: CERTIFICATE_TTL_INVALID'])
})

test.each<{ name: string; serving: Serving }>([
  { name: 'the alternative name', serving: { host: '127.0.0.1' } },
  { name: 'the address itself', serving: { host: '127.0.0.1', altHostname: undefined, ips: ['127.0.0.1'] } },
])('requestCertificate() reaches a CA by IP address when its certificate has $name', async ({ serving }) => {
  const { client } = await serve(await open(), { kind: 'issue', id }, serving)
  expect((await client.requestCertificate(id, AbortSignal.timeout(5000))).id).toBe(id)
})

test.each<{ name: string; serving: Serving }>([
  {
    name: 'has neither the address nor the alternative name',
    serving: { host: '127.0.0.1', altHostname: 'other.example' },
  },
  {
    name: 'is for the name that is sent for want of a better one only',
    serving: { host: '127.0.0.1', altHostname: undefined, dnsNames: ['istiod'] },
  },
])('requestCertificate() does not trust a CA by IP address whose certificate $name', async ({ serving }) => {
  const { client, results } = await serve(await open(), { kind: 'issue', id }, serving)
  await expect(client.requestCertificate(id, AbortSignal.timeout(5000))).rejects.toMatchObject({ code: 14 })
  expect(results).toEqual([])
})

test('requestCertificate() learns nothing of why a CA cannot sign; the CA does', async () => {
  const rootEndsMs = (await open()).expiry.rootMs
  const clock = { nowMs: () => systemClock.nowMs() }
  const issuer = await openAt(clock)
  const { client, results } = await serve(issuer, { kind: 'issue', id })
  clock.nowMs = () => rootEndsMs
  await expect(client.requestCertificate(id, AbortSignal.timeout(5000))).rejects.toMatchObject({
    code: 13,
    details: 'cannot sign',
  })
  expect(results).toEqual(['failed: CaError: Cannot sign: the CA has expired'])
})

test('sign() refuses what is no request, and what is too large', async () => {
  const issuer = await open()
  await expect(issuer.sign('nonsense', id, 60)).rejects.toThrow('Cannot read the certificate request')
  await expect(issuer.sign('x'.repeat(20_000), id, 60)).rejects.toThrow('20000 bytes')
})

test('open() makes one root when two start together, keeps it, and shows only the certificate', async () => {
  const [a, b] = await Promise.all([open(), open()])
  expect(a.rootsPem).toBe(b.rootsPem)
  expect((await open()).rootsPem).toBe(a.rootsPem)
  await writeTrustFiles(directory, a)
  expect(readFileSync(join(directory, ROOT_CERT_FILE), 'utf8')).toBe(a.rootsPem)
  expect(statSync(join(directory, 'ca-root.pem')).mode & 0o777).toBe(0o600)
  expect(readdirSync(directory).toSorted()).toEqual(['ca-root.pem', ROOT_CERT_FILE])
})

test('open() names a root that cannot be used and leaves it alone', async () => {
  writeFileSync(join(directory, 'ca-root.pem'), 'not a root')
  await expect(open()).rejects.toThrow(join(directory, 'ca-root.pem'))
  expect(readFileSync(join(directory, 'ca-root.pem'), 'utf8')).toBe('not a root')
})
