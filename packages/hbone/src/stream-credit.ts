/** What the peer may still send on one stream; an app that keeps up is offered a larger window, one that lags keeps the small one. */
export class StreamCredit {
  #available: number
  #window: number
  #consumed = 0

  constructor(window: number) {
    this.#available = window
    this.#window = window
  }

  /** @returns False when the peer sent more than it was allowed. */
  take(bytes: number): boolean {
    this.#available -= bytes
    return this.#available >= 0
  }

  /**
   * Bytes that reached the app.
   *
   * @param maxWindow How far the window may grow now: the present one for an app that lags.
   * @returns The increment to announce, 0 while it is not worth a frame.
   */
  consume(bytes: number, maxWindow: number): number {
    this.#consumed += bytes
    if (this.#consumed < this.#window >> 1) return 0
    const growth = Math.max(0, Math.min(this.#window, maxWindow - this.#window))
    const increment = this.#consumed + growth
    this.#window += growth
    this.#available += increment
    this.#consumed = 0
    return increment
  }
}
