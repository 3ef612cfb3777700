import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AuthoritySource, BUNDLE_FILE } from '@ambient/ca'
import { ApiError, type ApiResources, Field } from '@ambient/kube'
import { splitPem } from '@ambient/spiffe'

export interface SecretSourceOptions {
  readonly api: Pick<ApiResources, 'read' | 'create' | 'replace'>
  readonly namespace: string
  /** Where the inner source keeps its root; memory of this process is enough. */
  readonly directory: string
  readonly inner: AuthoritySource
  readonly onFailure: (cause: unknown) => void
}

type Secret = Readonly<Record<string, unknown>>
type Authority = Awaited<ReturnType<AuthoritySource['open']>>

const NAME = 'istio-ca-secret'
const TYPE = 'istio.io/ca-root'
const KEY_PEM = /-----BEGIN (?:EC |RSA )?PRIVATE KEY-----[^]*?-----END (?:EC |RSA )?PRIVATE KEY-----\n?/

/**
 * A root that outlives every replica: the Secret has it, the directory is a copy that `inner` works on. Whoever makes
 * the Secret first has made the root; a successor goes there at once, and others find it at their next look. Istio's
 * own control plane reads and writes the same Secret.
 *
 * @see istiod.md 2.1, 2.4
 */
export class SecretSource implements AuthoritySource {
  readonly #options: SecretSourceOptions
  readonly #file: string

  constructor(options: SecretSourceOptions) {
    this.#options = options
    this.#file = join(options.directory, BUNDLE_FILE)
  }

  /** @throws when the Secret can be neither read nor made: a root of one replica alone would split the mesh. */
  async open(): Promise<Authority> {
    const { inner } = this.#options
    if ((await this.#pull()) !== undefined) return inner.open()
    const made = await inner.open()
    if (await this.#publish(undefined)) return made
    await this.#pull() // somebody was faster
    return inner.open()
  }

  async refresh(current: Authority): Promise<Authority> {
    const { inner, onFailure } = this.#options
    try {
      const found = await this.#pull()
      const latest = await inner.refresh(current)
      if (latest === current || (await this.#publish(found))) return latest
      await this.#pull() // another replica's successor came first
      return await inner.refresh(latest)
    } catch (cause) {
      onFailure(cause) // what is in force stays so
      return current
    }
  }

  /** @returns the Secret, when there is one. */
  async #pull(): Promise<Secret | undefined> {
    const secret = await this.#options.api.read(this.#path(NAME))
    if (secret === undefined) return undefined
    const data = new Field(`Secret ${NAME}`, secret).get('data')
    const text = (name: string): string => Buffer.from(data.get(name).text() ?? '', 'base64').toString()
    const newest = text('ca-cert.pem')
    const earlier = splitPem(text('root-cert.pem')).filter((each) => !newest.includes(each.trim()))
    const bundle = [text('ca-key.pem'), newest, ...earlier].map((part) => `${part.trim()}\n`).join('')
    if ((await this.#read()) === bundle) return secret
    await mkdir(this.#options.directory, { recursive: true, mode: 0o700 })
    await writeFile(`${this.#file}.pulled`, bundle, { mode: 0o600 })
    await rename(`${this.#file}.pulled`, this.#file)
    return secret
  }

  /**
   * @param found The Secret to change; without it, a new one.
   * @returns false when the Secret has another's root meanwhile.
   */
  async #publish(found: Secret | undefined): Promise<boolean> {
    const { api, namespace } = this.#options
    const bundle = (await this.#read()) ?? ''
    const [newest = '', ...earlier] = splitPem(bundle)
    const encode = (text: string): string => Buffer.from(text).toString('base64')
    const data = {
      'ca-key.pem': encode(KEY_PEM.exec(bundle)?.[0] ?? ''),
      'ca-cert.pem': encode(`${newest.trim()}\n`),
      'root-cert.pem': encode([newest, ...earlier].map((each) => `${each.trim()}\n`).join('')),
      'cert-chain.pem': '',
      'key.pem': '',
    }
    const metadata = { name: NAME, namespace }
    try {
      if (found === undefined)
        await api.create(this.#path(), { apiVersion: 'v1', kind: 'Secret', type: TYPE, metadata, data })
      else await api.replace(this.#path(NAME), { ...found, data })
      return true
    } catch (cause) {
      if (cause instanceof ApiError && cause.code === 'API_CONFLICT') return false
      throw cause
    }
  }

  async #read(): Promise<string | undefined> {
    try {
      return await readFile(this.#file, 'utf8')
    } catch {
      return undefined // not made yet
    }
  }

  #path(name?: string): string {
    const all = `/api/v1/namespaces/${encodeURIComponent(this.#options.namespace)}/secrets`
    return name === undefined ? all : `${all}/${name}`
  }
}
