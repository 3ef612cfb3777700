import type { SpiffeId, Svid } from '@ambient/spiffe'
import { limitValues } from '@ambient/telemetry'
import { FetchSlots, type SvidPriority } from './fetch-slots.ts'
import { type FetchDeps, KeptSvid, type SvidState } from './kept-svid.ts'
import { SvidError } from './svid-error.ts'
import { SVID_LIMITS, type SvidLimits } from './svid-limits.ts'

export interface SvidCacheDeps extends FetchDeps {
  readonly limits?: Partial<SvidLimits>
}

export interface SvidChange {
  readonly id: SpiffeId
  readonly state: SvidState | { readonly kind: 'forgotten' }
}

/**
 * One certificate for each identity that runs on this node: asked for once, kept, renewed at half its life, tried again
 * when refused. A valid one stays in use whatever happens to its renewal.
 *
 * @see ztunnel `src/identity/manager.rs`
 */
export class SvidCache implements AsyncDisposable {
  readonly #deps: SvidCacheDeps
  readonly #limits: SvidLimits
  readonly #slots: FetchSlots
  readonly #kept = new Map<SpiffeId, KeptSvid>()
  readonly #listeners = new Set<(change: SvidChange) => void>()

  constructor(deps: SvidCacheDeps) {
    this.#deps = deps
    this.#limits = { ...limitValues(SVID_LIMITS), ...deps.limits }
    this.#slots = new FetchSlots(this.#limits.concurrentFetches)
  }

  /**
   * A valid certificate: the one that is here, else the one that comes. While a `real-time` demand waits, a failed
   * request is tried again within a second, however long its delay has grown.
   *
   * @throws {SvidError} `IDENTITY_UNAVAILABLE`, with the last failure, when none has come by the deadline or the
   *   identity is forgotten; `LIMIT_REACHED`.
   */
  async demand(id: SpiffeId, priority: SvidPriority): Promise<Svid> {
    return this.#keep(id).demand(priority)
  }

  /** Begins to keep a certificate that nobody waits for yet. Beyond the limit of identities it does nothing. */
  prefetch(id: SpiffeId): void {
    if (this.#kept.has(id) || this.#kept.size < this.#limits.identities) this.#keep(id)
  }

  /** Ends renewal and refuses who waits. */
  forget(id: SpiffeId): void {
    const kept = this.#kept.get(id)
    if (kept === undefined) return
    this.#kept.delete(id)
    kept.end()
    this.#tell({ id, state: { kind: 'forgotten' } })
  }

  state(id: SpiffeId): SvidState | undefined {
    return this.#kept.get(id)?.state
  }

  /** Every identity with its state, for the configuration dump. States hold private keys: dump their certificates only. */
  entries(): readonly SvidChange[] {
    return [...this.#kept].map(([id, kept]) => ({ id, state: kept.state }))
  }

  /** Called for each certificate that comes, is lost or is forgotten. @returns how to stop. */
  onChange(listener: (change: SvidChange) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const kept = [...this.#kept.values()]
    this.#kept.clear()
    for (const one of kept) one.end()
    await Promise.all(kept.map((one) => one.ended))
  }

  #keep(id: SpiffeId): KeptSvid {
    const known = this.#kept.get(id)
    if (known !== undefined) return known
    if (this.#kept.size >= this.#limits.identities) {
      throw new SvidError(
        'LIMIT_REACHED',
        `Cannot keep a certificate for ${id}: ${this.#kept.size} identities are kept already`,
      )
    }
    const { clock, random, log, fetch, onFetched } = this.#deps
    const kept = new KeptSvid(id, {
      clock,
      random,
      log,
      fetch,
      ...(onFetched && { onFetched }),
      limits: this.#limits,
      slots: this.#slots,
      onState: (state) => this.#tell({ id, state }),
    })
    this.#kept.set(id, kept)
    return kept
  }

  #tell(change: SvidChange): void {
    for (const listener of this.#listeners) listener(change)
  }
}
