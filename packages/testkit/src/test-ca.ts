import 'reflect-metadata'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
  X509CrlGenerator,
  X509Certificate,
} from '@peculiar/x509'
import type { webcrypto } from 'node:crypto'

/** PEM texts of one certificate: what a TLS context takes. */
export interface IssuedCertificate {
  /** Leaf first, then intermediates. */
  readonly certificateChainPem: string
  readonly privateKeyPem: string
  readonly rootsPem: string
}

export interface IssueRequest {
  readonly uris?: readonly string[]
  readonly dnsNames?: readonly string[]
  readonly ips?: readonly string[]
  /** Default: an hour ago. */
  readonly notBefore?: Date
  /** Default: in a day. */
  readonly notAfter?: Date
  /** Default `both`. */
  readonly eku?: 'client' | 'server' | 'both' | 'none'
}

/** A certificate authority for tests; keys are P-256. */
export interface TestCa {
  readonly rootPem: string
  issue(request: IssueRequest): Promise<IssuedCertificate>
  /** A CA below this one: what it issues has a chain of two. */
  intermediate(): Promise<TestCa>
  /** A revocation list, in PEM, of what this CA has issued: leaves, or CAs below it. */
  revocationList(revoked: readonly (IssuedCertificate | TestCa)[]): Promise<string>
  /** Of this CA's own certificate. */
  readonly serialNumber: string
}

interface Authority {
  readonly certificate: X509Certificate
  readonly keys: webcrypto.CryptoKeyPair
  readonly intermediates: readonly X509Certificate[]
  readonly rootPem: string
}

const HOUR_MS = 3_600_000
const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const
const USAGES = {
  client: [ExtendedKeyUsage.clientAuth],
  server: [ExtendedKeyUsage.serverAuth],
  both: [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth],
  none: [],
} as const

/** Makes a root of its own: two calls make CAs that do not know each other. */
export async function testCa(name: string = 'test root'): Promise<TestCa> {
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.create({
    ...lifetime({}),
    serialNumber: serialNumber(),
    subject: `CN=${name}`,
    issuer: `CN=${name}`,
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: SIGNATURE,
    extensions: await authorityExtensions(keys.publicKey),
  })
  return authorityOf({ certificate, keys, intermediates: [], rootPem: certificate.toString('pem') })
}

function authorityOf(authority: Authority): TestCa {
  return {
    rootPem: authority.rootPem,
    issue: (request) => issue(authority, request),
    intermediate: () => makeIntermediate(authority),
    serialNumber: authority.certificate.serialNumber,
    revocationList: (revoked) => makeRevocationList(authority, revoked),
  }
}

async function makeRevocationList(
  { certificate, keys }: Authority,
  revoked: readonly (IssuedCertificate | TestCa)[],
): Promise<string> {
  const list = await X509CrlGenerator.create({
    issuer: certificate.subject,
    // Out of date, as lists are when they are needed.
    thisUpdate: new Date(Date.now() - 2 * HOUR_MS),
    nextUpdate: new Date(Date.now() - HOUR_MS),
    entries: revoked.map((one) => ({
      serialNumber:
        'serialNumber' in one ? one.serialNumber : new X509Certificate(one.certificateChainPem).serialNumber,
      revocationDate: new Date(Date.now() - HOUR_MS),
    })),
    signingAlgorithm: SIGNATURE,
    signingKey: keys.privateKey,
  })
  // The label that OpenSSL and everybody else writes.
  return PemConverter.encode(list.rawData, 'X509 CRL')
}

async function issue(authority: Authority, request: IssueRequest): Promise<IssuedCertificate> {
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify'])
  const usages = USAGES[request.eku ?? 'both']
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    await AuthorityKeyIdentifierExtension.create(authority.keys.publicKey),
  ]
  if (usages.length > 0) extensions.push(new ExtendedKeyUsageExtension([...usages]))
  const names = alternativeNames(request)
  if (names.length > 0) extensions.push(new SubjectAlternativeNameExtension(names))
  const certificate = await sign(authority, keys.publicKey, 'CN=leaf', { request, extensions })
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return {
    certificateChainPem: [certificate, ...authority.intermediates]
      .map((each) => each.toString('pem'))
      .join('\n'),
    privateKeyPem: PemConverter.encode(pkcs8, 'PRIVATE KEY'),
    rootsPem: authority.rootPem,
  }
}

async function makeIntermediate(authority: Authority): Promise<TestCa> {
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify'])
  const extensions = await authorityExtensions(keys.publicKey)
  const certificate = await sign(authority, keys.publicKey, 'CN=intermediate', { request: {}, extensions })
  return authorityOf({
    certificate,
    keys,
    intermediates: [certificate, ...authority.intermediates],
    rootPem: authority.rootPem,
  })
}

async function sign(
  authority: Authority,
  publicKey: CryptoKey,
  subject: string,
  content: { readonly request: IssueRequest; readonly extensions: Extension[] },
): Promise<X509Certificate> {
  return X509CertificateGenerator.create({
    ...lifetime(content.request),
    serialNumber: serialNumber(),
    subject,
    issuer: authority.certificate.subject,
    publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: SIGNATURE,
    extensions: content.extensions,
  })
}

async function authorityExtensions(publicKey: CryptoKey): Promise<Extension[]> {
  return [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(publicKey),
  ]
}

function alternativeNames(request: IssueRequest): { type: 'url' | 'dns' | 'ip'; value: string }[] {
  return [
    ...(request.uris ?? []).map((value) => ({ type: 'url' as const, value })),
    ...(request.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(request.ips ?? []).map((value) => ({ type: 'ip' as const, value })),
  ]
}

function lifetime(request: IssueRequest): { notBefore: Date; notAfter: Date } {
  const nowMs = Date.now()
  return {
    notBefore: request.notBefore ?? new Date(nowMs - HOUR_MS),
    notAfter: request.notAfter ?? new Date(nowMs + 24 * HOUR_MS),
  }
}

/** Sixteen bytes, positive. */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[0] = 1
  return Buffer.from(bytes).toString('hex')
}
