import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorText } from '@ambient/lifecycle'
import { CaError } from './ca-error.ts'
import { readRevocations } from './revocations.ts'
import {
  type AuthoritySource,
  distinct,
  type SigningAuthority,
  signingAuthority,
} from './signing-authority.ts'
import { readIfThere, stampOf } from './state-file.ts'
import { CRL_FILE } from './trust-files.ts'

interface FileNames {
  readonly certificate: string
  readonly key: string
  readonly root: string
  /** Not needed when the root itself issued the signing certificate. */
  readonly chain: string
}

/** Of Istio's `cacerts`, and of a Secret of type `kubernetes.io/tls`, whose certificate file holds the chain as well. */
const NAMES: readonly FileNames[] = [
  { certificate: 'ca-cert.pem', key: 'ca-key.pem', root: 'root-cert.pem', chain: 'cert-chain.pem' },
  { certificate: 'tls.crt', key: 'tls.key', root: 'ca.crt', chain: 'tls.crt' },
]

const CA_FILES: readonly string[] = NAMES.flatMap(({ certificate, key, root, chain }) => [
  certificate,
  key,
  root,
  chain,
])

/** A signing certificate that somebody else issued, from a directory that is looked at again as long as the CA runs. */
export class PluggedInSource implements AuthoritySource {
  readonly #directory: string
  readonly #givesRevocations: boolean
  #stamp = ''

  /** @param options.givesRevocations Whether its `ca-crl.pem` counts, when there is one. */
  constructor(directory: string, options: { readonly givesRevocations?: boolean } = {}) {
    this.#directory = directory
    this.#givesRevocations = options.givesRevocations ?? true
  }

  /** Whether any file of a plugged-in CA is there; all that are needed must be, then. */
  static async isThere(directory: string): Promise<boolean> {
    for (const file of CA_FILES) if (await exists(join(directory, file))) return true
    return false
  }

  async open(): Promise<SigningAuthority> {
    this.#stamp = await this.#stampNow()
    const names = await this.#names()
    const crlPem = await this.#revocations()
    try {
      return await signingAuthority({
        certificatePem: await this.#file(names.certificate),
        keyPem: await this.#file(names.key),
        chainPem: (await readIfThere(join(this.#directory, names.chain))) ?? '',
        rootsPem: await this.#file(names.root),
        crlPem,
      })
    } catch (cause) {
      const why = errorText(cause)
      throw this.#unusable(
        `${names.certificate}, ${names.key}, ${names.chain} and ${names.root}: ${why}`,
        cause,
      )
    }
  }

  /** Other roots are taken only if all of the old ones stay, or none comes: peers trust what they were given before. */
  async refresh(current: SigningAuthority): Promise<SigningAuthority> {
    if ((await this.#stampNow()) === this.#stamp) return current
    const next = await this.open()
    const [old, now] = [printsOf(current.rootsPem), printsOf(next.rootsPem)]
    if (old.isSubsetOf(now) || now.isSubsetOf(old)) return next
    throw this.#unusable(
      'the roots were replaced; add the new one first, and take the old one away when every workload has had both',
    )
  }

  async #names(): Promise<FileNames> {
    for (const names of NAMES) {
      const needed = [names.certificate, names.key, names.root]
      const there = await Promise.all(needed.map((file) => exists(join(this.#directory, file))))
      if (there.every((is) => is)) return names
      if (there.some((is) => is))
        throw this.#unusable(`${needed.filter((_, index) => !there[index]).join(', ')} is missing`)
    }
    throw this.#unusable('it holds no CA')
  }

  async #revocations(): Promise<string | undefined> {
    if (!this.#givesRevocations) return undefined
    const text = await readIfThere(join(this.#directory, CRL_FILE))
    if (text === undefined) return undefined
    try {
      return readRevocations(text)
    } catch (cause) {
      throw this.#unusable(`${CRL_FILE}: ${errorText(cause)}`, cause)
    }
  }

  #file(name: string): Promise<string> {
    return readFile(join(this.#directory, name), 'utf8')
  }

  async #stampNow(): Promise<string> {
    return (
      await Promise.all([...CA_FILES, CRL_FILE].map((file) => stampOf(join(this.#directory, file))))
    ).join()
  }

  #unusable(why: string, cause?: unknown): CaError {
    return new CaError('CA_ROOT_INVALID', `Cannot use the CA of "${this.#directory}": ${why}`, { cause })
  }
}

function printsOf(pem: string): ReadonlySet<string> {
  return new Set(distinct([pem]).map(({ fingerprint256 }) => fingerprint256))
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
