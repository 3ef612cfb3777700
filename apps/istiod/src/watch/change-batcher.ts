import type { Clock } from '@ambient/lifecycle'

export interface ChangeBatcherOptions<C> {
  readonly clock: Clock
  /** How long changes may wait for company. */
  readonly windowMs: number
  /** Takes what has come together: the last change of each key. */
  readonly commit: (changes: readonly C[]) => void
}

/**
 * Groups changes without making the first one wait: it is committed in the same turn of the event loop, with whatever
 * has come along with it, and those that follow within the window come together at its end. There is no quiet period, so a steady stream of changes is never put off.
 */
export class ChangeBatcher<C> implements Disposable {
  readonly #options: ChangeBatcherOptions<C>
  readonly #pending = new Map<string, C>()
  #state: 'held' | 'idle' | 'scheduled' | 'ended' = 'held'
  #nextMs = 0
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined

  /** Starts held: nothing is committed before `release`. */
  constructor(options: ChangeBatcherOptions<C>) {
    this.#options = options
  }

  /** A later change of the same key replaces an earlier one that has not been committed. */
  add(key: string, change: C): void {
    this.#pending.set(key, change)
    if (this.#state !== 'idle') return
    this.#state = 'scheduled'
    const waitMs = this.#nextMs - this.#options.clock.monotonicMs()
    if (waitMs > 0) this.#timer = setTimeout(() => this.#commit(), waitMs)
    else this.#immediate = setImmediate(() => this.#commit())
  }

  /** Commits everything that has come so far, even if it is nothing, and from now on what comes. */
  release(): void {
    if (this.#state === 'held') this.#commit()
  }

  [Symbol.dispose](): void {
    this.#state = 'ended'
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
  }

  #commit(): void {
    const changes = [...this.#pending.values()]
    this.#pending.clear()
    this.#state = 'idle'
    this.#nextMs = this.#options.clock.monotonicMs() + this.#options.windowMs
    this.#options.commit(changes)
  }
}
