import 'reflect-metadata'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { link, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { Clock } from '@ambient/lifecycle'
import { readCertificate, splitPem } from '@ambient/spiffe'
import { CaError } from './ca-error.ts'
import { CURVE, newSerialNumber, type SigningAlgorithm, signingAlgorithmOf } from './key-algorithm.ts'
import { type AuthoritySource, type SigningAuthority, signingAuthority } from './signing-authority.ts'
import { hasCode, makePrivateDirectory, readIfThere, replaceFile, stampOf, writeAside } from './state-file.ts'

export interface SelfSignedOptions {
  readonly directory: string
  readonly trustDomain: string
  readonly clock: Pick<Clock, 'nowMs'>
}

/** The key, the root in force, and earlier roots of the same key as long as they last. */
export const BUNDLE_FILE = 'ca-root.pem'
const LIFETIME_MS = 3650 * 86_400_000
const SKEW_MS = 120_000
/** Of its life, when a root gets a successor. */
const ROTATE_AT_REMAINING = 0.2

/**
 * A root of the CA's own, made when there is none. Key and certificates are one file that appears whole: of two that
 * start together one makes it, and both use it. A successor has the same key and name, so what one of them issued is
 * verified by the other; both are given out until the earlier one ends.
 */
export class SelfSignedSource implements AuthoritySource {
  readonly #options: SelfSignedOptions
  readonly #path: string
  #stamp = ''

  constructor(options: SelfSignedOptions) {
    this.#options = options
    this.#path = join(options.directory, BUNDLE_FILE)
  }

  /** A file that cannot be used is never overwritten. */
  async open(): Promise<SigningAuthority> {
    await makePrivateDirectory(this.#options.directory)
    if ((await readIfThere(this.#path)) === undefined) await this.#create()
    return this.#read()
  }

  /** What another istiod has done counts before anything is done here. */
  async refresh(current: SigningAuthority): Promise<SigningAuthority> {
    const nowMs = this.#options.clock.nowMs()
    const isStale = (await stampOf(this.#path)) !== this.#stamp || current.rootExpiresAtMs <= nowMs
    const latest = isStale ? await this.#read() : current
    const { notBefore, notAfter } = latest.certificate
    const lifetimeMs = notAfter.getTime() - notBefore.getTime()
    return notAfter.getTime() - nowMs < lifetimeMs * ROTATE_AT_REMAINING ? this.#rotate() : latest
  }

  async #create(): Promise<void> {
    const { privateKey } = await crypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])
    const keyPem = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', privateKey), 'PRIVATE KEY')
    const text = `${keyPem}\n${await this.#certify(keyPem)}`
    const aside = await writeAside(this.#path, text, 0o600)
    try {
      await link(aside, this.#path) // fails when somebody was first: theirs is the root
    } catch (cause) {
      if (!hasCode(cause, 'EEXIST')) throw cause
    } finally {
      await rm(aside, { force: true })
    }
  }

  /** Of two that do this together the later one's file stays; the other reads it at its next look. */
  async #rotate(): Promise<SigningAuthority> {
    const pem = await readFile(this.#path, 'utf8')
    const keyPem = keyIn(pem)
    const earlier = splitPem(pem).map((each) => `${each}\n`)
    await replaceFile(this.#path, [`${keyPem}\n`, await this.#certify(keyPem), ...earlier].join(''), 0o600)
    return this.#read()
  }

  async #read(): Promise<SigningAuthority> {
    this.#stamp = await stampOf(this.#path)
    try {
      const pem = await readFile(this.#path, 'utf8')
      const [newest = '', ...earlier] = splitPem(pem)
      const nowMs = this.#options.clock.nowMs()
      const lasting = earlier.filter((each) => readCertificate(each).notAfterMs > nowMs)
      return await signingAuthority({
        certificatePem: newest,
        keyPem: keyIn(pem),
        chainPem: '',
        rootsPem: [newest, ...lasting].join('\n'),
      })
    } catch (cause) {
      throw new CaError(
        'CA_ROOT_INVALID',
        `Cannot use the root of "${this.#path}": restore it from a copy, or remove it to make a new one (every certificate of the old one then ends)`,
        { cause },
      )
    }
  }

  /** PEM of a root for the key: with the trust domain for a SPIFFE ID, as a signing certificate should have. */
  async #certify(keyPem: string): Promise<string> {
    const nowMs = this.#options.clock.nowMs()
    const privateKey = createPrivateKey(keyPem)
    const algorithm: SigningAlgorithm | undefined = signingAlgorithmOf(privateKey)
    if (algorithm === undefined)
      throw new Error(`keys of type ${privateKey.asymmetricKeyType} are not supported`)
    const keys = {
      privateKey: privateKey.toCryptoKey(algorithm.key, false, ['sign']),
      publicKey: createPublicKey(privateKey).toCryptoKey(algorithm.key, true, ['verify']),
    }
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: newSerialNumber(),
      name: `O=${this.#options.trustDomain}`,
      notBefore: new Date(nowMs - SKEW_MS),
      notAfter: new Date(nowMs + LIFETIME_MS),
      keys,
      signingAlgorithm: algorithm.signature,
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
        new SubjectAlternativeNameExtension([
          { type: 'url', value: `spiffe://${this.#options.trustDomain}` },
        ]),
      ],
    })
    return `${certificate.toString('pem')}\n`
  }
}

function keyIn(pem: string): string {
  const [found = ''] =
    /-----BEGIN (?:EC |RSA )?PRIVATE KEY-----[\s\S]*?-----END (?:EC |RSA )?PRIVATE KEY-----/.exec(pem) ?? []
  return found
}
