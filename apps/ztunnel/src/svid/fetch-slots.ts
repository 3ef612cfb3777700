export type SvidPriority = 'real-time' | 'warm-up' | 'background'

const ORDER: readonly SvidPriority[] = ['real-time', 'warm-up', 'background']

interface Turn {
  readonly priority: () => SvidPriority
  readonly start: () => void
}

/**
 * Lets a few fetches run at once. Who waits is asked for its priority when a slot comes free, not when it came, so that
 * a connection that begins to wait moves its identity forward.
 */
export class FetchSlots {
  #free: number
  readonly #waiting: Turn[] = []

  constructor(slots: number) {
    this.#free = slots
  }

  /** Rejects with the signal's reason if it aborts before the turn comes; `task` must end when it aborts later. */
  async run<T>(priority: () => SvidPriority, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    await this.#turn(priority, signal)
    try {
      return await task()
    } finally {
      this.#release()
    }
  }

  #turn(priority: () => SvidPriority, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#free > 0) {
      this.#free -= 1
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1)
        reject(
          signal.reason instanceof Error
            ? signal.reason
            : new DOMException('Fetch not wanted any more', 'AbortError'),
        )
      }
      const start = (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      const turn: Turn = { priority, start }
      this.#waiting.push(turn)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Hands the slot on: the highest priority first, and of equals who has waited longest. */
  #release(): void {
    const ranks = this.#waiting.map((turn) => ORDER.indexOf(turn.priority()))
    const at = ranks.indexOf(Math.min(...ranks))
    const [next] = at < 0 ? [] : this.#waiting.splice(at, 1)
    if (next === undefined) this.#free += 1
    else next.start()
  }
}
