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
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { Clock } from '@ambient/lifecycle'
import type { SpiffeId } from '@ambient/spiffe'
import { CaError } from './ca-error.ts'
import { readRequestedKey } from './certificate-request.ts'
import { CURVE, newSerialNumber, SIGNATURE } from './key-algorithm.ts'
import { openRoot, type Root } from './root-store.ts'

export interface IssuerOptions {
  readonly directory: string
  readonly trustDomain: string
  readonly clock: Pick<Clock, 'nowMs'>
  readonly defaultTtlSeconds: number
  readonly maxTtlSeconds: number
}

const SKEW_MS = 120_000
const SERVING_TTL_MS = 3650 * 86_400_000

/** Signs workload and serving certificates with the root on disk. */
export class CertificateIssuer {
  readonly #root: Root
  readonly #options: IssuerOptions

  private constructor(root: Root, options: IssuerOptions) {
    this.#root = root
    this.#options = options
  }

  /** @throws {CaError} `CA_STATE_INVALID` when the root on disk cannot be used. */
  static async open(options: IssuerOptions): Promise<CertificateIssuer> {
    return new CertificateIssuer(
      await openRoot(options.directory, options.trustDomain, options.clock),
      options,
    )
  }

  get rootPem(): string {
    return this.#root.certificatePem
  }

  get rootExpiresAtMs(): number {
    return this.#root.certificate.notAfter.getTime()
  }

  /**
   * Signs the key of `csr` for `id`. Names in the request are ignored: the identity is the one that was authorised.
   *
   * @returns PEM: the leaf, then the roots in one element.
   * @throws {CaError} `CSR_INVALID` when the request is too large, unreadable, or not signed by its own key, or asks for too long a life.
   */
  async sign(csr: string, id: SpiffeId, ttlSeconds: number): Promise<readonly string[]> {
    const { defaultTtlSeconds, maxTtlSeconds } = this.#options
    const ttl = ttlSeconds > 0 ? ttlSeconds : defaultTtlSeconds
    if (ttl > maxTtlSeconds)
      throw new CaError('CSR_INVALID', `Cannot sign for ${ttl} s: at most ${maxTtlSeconds} s are allowed`)
    const leaf = await this.#leaf(await readRequestedKey(csr), [{ type: 'url', value: id }], ttl * 1000)
    return [leaf, this.rootPem]
  }

  async issueServing(names: {
    readonly dnsNames: readonly string[]
    readonly ips: readonly string[]
  }): Promise<{ readonly certificateChainPem: string; readonly privateKeyPem: string }> {
    const keys = await crypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])
    const alternatives: JsonGeneralName[] = [
      ...names.dnsNames.map((value): JsonGeneralName => ({ type: 'dns', value })),
      ...names.ips.map((value): JsonGeneralName => ({ type: 'ip', value })),
    ]
    const certificateChainPem = await this.#leaf(keys.publicKey, alternatives, SERVING_TTL_MS)
    const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
    return { certificateChainPem, privateKeyPem: PemConverter.encode(pkcs8, 'PRIVATE KEY') }
  }

  async #leaf(publicKey: CryptoKey, names: JsonGeneralName[], ttlMs: number): Promise<string> {
    const nowMs = this.#options.clock.nowMs()
    if (nowMs >= this.rootExpiresAtMs)
      throw new CaError('CA_STATE_INVALID', 'Cannot sign: the root has expired')
    const certificate = await X509CertificateGenerator.create({
      serialNumber: newSerialNumber(),
      subject: '',
      issuer: this.#root.certificate.subject,
      notBefore: new Date(nowMs - SKEW_MS),
      notAfter: new Date(Math.min(nowMs + ttlMs, this.rootExpiresAtMs)),
      publicKey,
      signingKey: this.#root.key,
      signingAlgorithm: SIGNATURE,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
        await AuthorityKeyIdentifierExtension.create(this.#root.certificate),
        new SubjectAlternativeNameExtension(names, true),
      ],
    })
    return `${certificate.toString('pem')}\n`
  }
}
