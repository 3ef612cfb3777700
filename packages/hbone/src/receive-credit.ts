import { DEFAULT_WINDOW } from './h2-constants.ts'
import type { HboneLimits } from './limits.ts'

/**
 * What the peer may still send on this connection. Bytes kept for a slow app are credited at once, so that one app does
 * not stop the others, until too many are kept: then only as they drain.
 */
export class ReceiveCredit {
  readonly #limits: HboneLimits
  readonly #announce: (increment: number) => void
  #window: number
  #owed = 0
  #kept = 0
  #debt = 0

  /** @param announce Sends a WINDOW_UPDATE for the connection. */
  constructor(limits: HboneLimits, announce: (increment: number) => void) {
    this.#limits = limits
    this.#announce = announce
    this.#window = limits.connectionWindow
  }

  /** Bytes kept for slow apps. */
  get keptBytes(): number {
    return this.#kept
  }

  /** Bytes taken and not yet given back, in any form; 0 when everything is settled. */
  get outstandingBytes(): number {
    return this.#limits.connectionWindow - this.#window - this.#owed
  }

  /** What has to be announced at the very start. */
  get firstIncrement(): number {
    return this.#limits.connectionWindow - DEFAULT_WINDOW
  }

  /** @returns False when the peer sent more than it was allowed. */
  take(bytes: number): boolean {
    this.#window -= bytes
    return this.#window >= 0
  }

  /** Bytes that are dealt with: written to an app, or dropped. */
  give(bytes: number): void {
    this.#owed += bytes
    if (this.#owed < this.#limits.connectionWindow >> 2) return
    this.#window += this.#owed
    this.#announce(this.#owed)
    this.#owed = 0
  }

  /** Bytes that an app did not take yet. */
  keep(bytes: number): void {
    this.#kept += bytes
    if (this.#kept <= this.#limits.bufferedBeforeDebt) this.give(bytes)
    else this.#debt += bytes
  }

  /** Kept bytes that are dealt with. */
  release(bytes: number): void {
    this.#kept -= bytes
    const paid = Math.min(this.#debt, bytes)
    this.#debt -= paid
    if (paid > 0) this.give(paid)
  }
}
