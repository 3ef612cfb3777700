import type { Random } from './random.ts'

export interface BackoffOptions {
  readonly firstMs: number
  readonly factor: number
  readonly maxMs: number
  /** 0.2 spreads each delay evenly over 80 % to 120 % of itself. */
  readonly jitter: number
}

/** Growing delays between attempts: `firstMs`, times `factor` each time, never above `maxMs`. */
export class Backoff {
  readonly #options: BackoffOptions
  readonly #random: Pick<Random, 'float'>
  #baseMs: number

  constructor(options: BackoffOptions, random: Pick<Random, 'float'>) {
    this.#options = options
    this.#random = random
    this.#baseMs = options.firstMs
  }

  /** The delay before the next attempt; each call is one failure. */
  nextMs(): number {
    const { factor, maxMs, jitter } = this.#options
    const spread = 1 + jitter * (2 * this.#random.float() - 1)
    const delayMs = Math.min(maxMs, this.#baseMs * spread)
    this.#baseMs = Math.min(maxMs, this.#baseMs * factor)
    return delayMs
  }

  /** Call after a success. */
  reset(): void {
    this.#baseMs = this.#options.firstMs
  }
}
