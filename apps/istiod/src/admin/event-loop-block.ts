import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How often the loop is expected to come round; shorter blocks are seen in part. */
const INTERVAL_MS = 10
const NANOSECONDS = 1e6

/** The longest time in which nothing else could run. What keeps this thread from a core counts as well. */
export class EventLoopBlock implements Disposable {
  readonly #intervals = monitorEventLoopDelay({ resolution: INTERVAL_MS })

  constructor() {
    this.#intervals.enable()
  }

  /** Milliseconds, since the last call. */
  takeMs(): number {
    const longestMs = this.#intervals.max / NANOSECONDS
    this.#intervals.reset()
    return Math.max(0, longestMs - INTERVAL_MS)
  }

  [Symbol.dispose](): void {
    this.#intervals.disable()
  }
}
