/** How often something may be done at once, and how often on average: a bucket of tokens. */
export class Budget {
  readonly #burst: number
  readonly #refillMs: number
  #tokens: number
  #filledAtMs: number

  constructor(burst: number, refillMs: number, nowMs: number) {
    this.#burst = burst
    this.#refillMs = refillMs
    this.#tokens = burst
    this.#filledAtMs = nowMs
  }

  /** @returns false when there was none left */
  take(nowMs: number): boolean {
    const earned = Math.floor((nowMs - this.#filledAtMs) / this.#refillMs)
    this.#tokens = Math.min(this.#burst, this.#tokens + earned)
    this.#filledAtMs += earned * this.#refillMs
    if (this.#tokens === 0) return false
    this.#tokens--
    return true
  }
}
