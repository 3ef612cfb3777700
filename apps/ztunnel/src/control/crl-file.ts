import { readFileSync, statSync } from 'node:fs'
import { errorText } from '@ambient/lifecycle'
import { limitValues, type Logger } from '@ambient/telemetry'
import { RevocationLists } from '@ambient/tls'
import { ConfigError } from '../env-values.ts'
import { CRL_LIMITS } from './crl-limits.ts'

export interface CrlFileDeps {
  readonly path: string
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Other lists are in force: at the start too, if there are any. */
  readonly onChange: (file: Uint8Array) => void
  /** For tests, which have less time. */
  readonly everyMs?: number
}

/**
 * Follows the file of revocation lists. What cannot be read leaves the lists before it in force, and so does a file that
 * is gone: nobody is let in again by an accident.
 */
export class CrlFile implements Disposable {
  readonly #deps: CrlFileDeps
  readonly #timer: NodeJS.Timeout
  /** Of the file that was looked at last; undefined when there was none. */
  #seen: string | undefined
  #last: Buffer | undefined

  /**
   * No file is no fault: it may come later.
   *
   * @throws {ConfigError} when there is one that cannot be read: nobody may believe that it is in force.
   */
  constructor(deps: CrlFileDeps) {
    this.#deps = deps
    // Before it is read: what changes meanwhile is seen at the next look.
    this.#seen = versionOf(deps.path)
    try {
      this.#load()
    } catch (cause) {
      throw new ConfigError(`Cannot use CRL_PATH "${deps.path}": ${errorText(cause)}`)
    }
    // By looking, not by inotify: a mounted ConfigMap changes by a link of its directory, which may not be there yet.
    this.#timer = setInterval(() => this.#look(), deps.everyMs ?? CRL_LIMITS.crlLookMs.value)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const { logger, path } = this.#deps
    const version = versionOf(path)
    if (version === this.#seen) return
    this.#seen = version
    try {
      if (!this.#load()) logger.warn('revocation lists are gone; the last ones stay in force', { file: path })
    } catch (cause) {
      logger.error('revocation lists cannot be used; the last ones stay in force', {
        file: path,
        error: errorText(cause),
      })
    }
  }

  /** @returns Whether there is a file. */
  #load(): boolean {
    const { path, onChange, logger } = this.#deps
    const file = readIfThere(path)
    if (file === undefined) return this.#last === undefined
    const { crlBytes } = limitValues(CRL_LIMITS)
    if (file.length > crlBytes) throw new Error(`${file.length} bytes, ${crlBytes} are read`)
    if (this.#last?.equals(file) === true) return true
    using lists = new RevocationLists(file)
    this.#last = file
    onChange(file)
    logger.info('revocation lists are in force', { file: path, lists: lists.count })
    return true
  }
}

function versionOf(path: string): string | undefined {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat && [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join()
  } catch (cause) {
    // Said once, by who reads it.
    return errorText(cause)
  }
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw cause
  }
}
