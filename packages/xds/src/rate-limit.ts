/** So many a second, and as many at once; who comes too early gets a later turn, up to a bound. No clock of its own. */
export class RateLimit {
  readonly #perSecond: number
  readonly #maxWaitMs: number
  #turns: number
  #atMs = Number.NEGATIVE_INFINITY

  constructor(perSecond: number, maxWaitMs: number) {
    this.#perSecond = perSecond
    this.#maxWaitMs = maxWaitMs
    this.#turns = perSecond
  }

  /** @returns Milliseconds until the turn, or undefined when that were too long; then no turn is taken. */
  take(nowMs: number): number | undefined {
    const gained = Number.isFinite(this.#atMs) ? ((nowMs - this.#atMs) * this.#perSecond) / 1000 : 0
    this.#turns = Math.min(this.#perSecond, this.#turns + gained)
    this.#atMs = nowMs
    const waitMs = Math.max(0, ((1 - this.#turns) * 1000) / this.#perSecond)
    if (waitMs > this.#maxWaitMs) return undefined
    this.#turns--
    return waitMs
  }
}
