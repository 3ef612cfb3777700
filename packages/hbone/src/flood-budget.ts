import type { HboneLimits } from './limits.ts'

/** WINDOW_UPDATEs that one DATA frame of ours may provoke, whatever its size: one for the stream, one for the connection, spare. */
const UPDATES_PER_FRAME = 4
/** Further ones by size: a peer that reads in small pieces answers each. */
const BYTES_PER_UPDATE = 512
const MAX_EARNED_UPDATES = 100_000

/**
 * A token bucket for frames that carry nothing: SETTINGS, PING, PRIORITY, unknown types, empty DATA, resets of
 * unanswered streams, frames on closed streams, stream errors. WINDOW_UPDATEs are free as far as our own DATA earned them.
 */
export class FloodBudget {
  readonly #limits: HboneLimits
  #tokens: number
  #atMs: number
  #earnedUpdates = UPDATES_PER_FRAME

  constructor(limits: HboneLimits, nowMs: number) {
    this.#limits = limits
    this.#tokens = limits.floodBurst
    this.#atMs = nowMs
  }

  /** @returns False when the peer has had too many. */
  spend(nowMs: number): boolean {
    const { floodBurst, floodPerSecond } = this.#limits
    const refilled = this.#tokens + ((nowMs - this.#atMs) / 1000) * floodPerSecond
    this.#tokens = Math.min(floodBurst, refilled) - 1
    this.#atMs = nowMs
    return this.#tokens >= 0
  }

  earnUpdates(sentBytes: number): void {
    const earned = UPDATES_PER_FRAME + Math.floor(sentBytes / BYTES_PER_UPDATE)
    this.#earnedUpdates = Math.min(MAX_EARNED_UPDATES, this.#earnedUpdates + earned)
  }

  /** @returns False when the peer has had too many. */
  spendUpdate(nowMs: number): boolean {
    if (this.#earnedUpdates === 0) return this.spend(nowMs)
    this.#earnedUpdates--
    return true
  }
}
