import 'reflect-metadata'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { Clock } from '@ambient/lifecycle'
import type { SpiffeId } from '@ambient/spiffe'
import { CaError } from './ca-error.ts'
import { readRequestedKey, type RequestedKey } from './certificate-request.ts'
import { CURVE, newSerialNumber } from './key-algorithm.ts'
import { type AuthoritySource, distinct, type SigningAuthority } from './signing-authority.ts'

export interface IssuerOptions {
  readonly source: AuthoritySource
  readonly clock: Pick<Clock, 'nowMs'>
  readonly defaultTtlSeconds: number
  readonly maxTtlSeconds: number
  /** PEM: what workloads are to trust besides the CA's own roots; asked each time. */
  readonly anchors?: () => string
}

/** A certificate for a server of the control plane itself. */
export interface ServingCertificate {
  readonly certificateChainPem: string
  readonly privateKeyPem: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** When the CA's own certificates end. */
export interface AuthorityExpiry {
  /** Of the first root that ends. */
  readonly rootMs: number
  /** Of what is signed with, with everything above it. */
  readonly chainMs: number
}

const SKEW_MS = 120_000
const SERVING_TTL_MS = 30 * 86_400_000

/** Signs workload and serving certificates with the authority that is in force. */
export class CertificateIssuer {
  readonly #options: IssuerOptions
  #authority: SigningAuthority
  #changed: PromiseWithResolvers<void> = Promise.withResolvers()
  #bundle: { readonly from: readonly [roots: string, anchors: string]; readonly pem: string } | undefined

  private constructor(authority: SigningAuthority, options: IssuerOptions) {
    this.#authority = authority
    this.#options = options
  }

  /** @throws {CaError} `CA_ROOT_INVALID` when the CA on disk cannot be used. */
  static async open(options: IssuerOptions): Promise<CertificateIssuer> {
    return new CertificateIssuer(await options.source.open(), options)
  }

  /** PEM: the CA's own roots, by which istiod and its callers are known. */
  get rootsPem(): string {
    return this.#authority.rootsPem
  }

  /** PEM: what workloads are to trust, the CA's own roots first. */
  get trustBundlePem(): string {
    const from = [this.#authority.rootsPem, this.#options.anchors?.() ?? ''] as const
    if (this.#bundle?.from[0] !== from[0] || this.#bundle.from[1] !== from[1])
      this.#bundle = {
        from,
        pem: distinct(from)
          .map((each) => each.toString())
          .join(''),
      }
    return this.#bundle.pem
  }

  /** PEM: what the CAs above have revoked, if somebody says so. */
  get crlPem(): string | undefined {
    return this.#authority.crlPem
  }

  /** Settles when `rootsPem` or `crlPem` is another. */
  get changed(): Promise<void> {
    return this.#changed.promise
  }

  get expiry(): AuthorityExpiry {
    return { rootMs: this.#authority.rootExpiresAtMs, chainMs: this.#authority.notAfterMs }
  }

  /**
   * Looks whether the authority has changed, or has to.
   *
   * @returns Whether another one signs from now on, or other roots are given out.
   * @throws {CaError} `CA_ROOT_INVALID`; the old one stays in force.
   */
  async refresh(): Promise<boolean> {
    const before = this.#authority
    this.#authority = await this.#options.source.refresh(before)
    const { rootsPem, crlPem } = this.#authority
    if (rootsPem !== before.rootsPem || crlPem !== before.crlPem) {
      this.#changed.resolve()
      this.#changed = Promise.withResolvers()
    }
    return this.#authority !== before
  }

  /**
   * Signs the key of `csr` for `id`. Names in the request are ignored: the identity is the one that was authorised.
   *
   * @returns PEM: the leaf, each intermediate, then the whole trust bundle in one element.
   * @throws {CaError} `CSR_INVALID`, `CERTIFICATE_TTL_INVALID`, or `CA_EXPIRED`.
   */
  async sign(csr: string, id: SpiffeId, ttlSeconds: number): Promise<readonly string[]> {
    const { defaultTtlSeconds, maxTtlSeconds } = this.#options
    const ttl = ttlSeconds > 0 ? ttlSeconds : defaultTtlSeconds
    if (ttl > maxTtlSeconds)
      throw new CaError(
        'CERTIFICATE_TTL_INVALID',
        `Cannot sign for ${ttl} s: at most ${maxTtlSeconds} s are allowed`,
      )
    const key = await readRequestedKey(csr)
    const authority = this.#authority
    const { pem } = await this.#leaf(authority, key, {
      names: [{ type: 'url', value: id }],
      ttlMs: ttl * 1000,
    })
    return [pem, ...authority.intermediatesPem, this.trustBundlePem]
  }

  async issueServing(names: {
    readonly dnsNames: readonly string[]
    readonly ips: readonly string[]
  }): Promise<ServingCertificate> {
    const keys = await crypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])
    const alternatives: JsonGeneralName[] = [
      ...names.dnsNames.map((value): JsonGeneralName => ({ type: 'dns', value })),
      ...names.ips.map((value): JsonGeneralName => ({ type: 'ip', value })),
    ]
    const authority = this.#authority
    const key: RequestedKey = { publicKey: keys.publicKey, type: 'ec' }
    const { pem, certificate } = await this.#leaf(authority, key, {
      names: alternatives,
      ttlMs: SERVING_TTL_MS,
    })
    const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
    return {
      certificateChainPem: [pem, ...authority.intermediatesPem].join(''),
      privateKeyPem: PemConverter.encode(pkcs8, 'PRIVATE KEY'),
      notBeforeMs: certificate.notBefore.getTime(),
      notAfterMs: certificate.notAfter.getTime(),
    }
  }

  /** @see X509-SVID.md sections 2 and 4; RFC 8813 section 3 for the key usages of an ECDSA key */
  async #leaf(
    authority: SigningAuthority,
    { publicKey, type }: RequestedKey,
    { names, ttlMs }: { readonly names: JsonGeneralName[]; readonly ttlMs: number },
  ): Promise<{ readonly pem: string; readonly certificate: X509Certificate }> {
    const nowMs = this.#options.clock.nowMs()
    if (nowMs >= authority.notAfterMs) throw new CaError('CA_EXPIRED', 'Cannot sign: the CA has expired')
    const certificate = await X509CertificateGenerator.create({
      serialNumber: newSerialNumber(),
      subject: '',
      issuer: authority.certificate.subject,
      notBefore: new Date(Math.max(nowMs - SKEW_MS, authority.notBeforeMs)),
      notAfter: new Date(Math.min(nowMs + ttlMs, authority.notAfterMs)),
      publicKey,
      signingKey: authority.key,
      signingAlgorithm: authority.algorithm.signature,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        keyUsages(type),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
        await authorityKeyId(authority.certificate),
        new SubjectAlternativeNameExtension(names, true),
      ],
    })
    return { pem: `${certificate.toString('pem')}\n`, certificate }
  }
}

function keyUsages(type: RequestedKey['type']): KeyUsagesExtension {
  return type === 'rsa'
    ? new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true)
    : new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)
}

/** The identifier that the issuer says it has: somebody else's CA may have made its own in another way than we do. */
async function authorityKeyId(issuer: X509Certificate): Promise<AuthorityKeyIdentifierExtension> {
  const own = issuer.getExtension(SubjectKeyIdentifierExtension)
  if (own !== null) return new AuthorityKeyIdentifierExtension(own.keyId)
  return AuthorityKeyIdentifierExtension.create(issuer)
}
