import type { EventLoop, Timer } from '@ambient/event-loop'
import type { HboneLimits } from './limits.ts'

export interface SessionTimersOwner {
  readonly loop: EventLoop
  readonly limits: HboneLimits
  /** What had to happen by now did not. */
  onLate(): void
  sendPing(): void
  /** Some seconds have passed: for what is not worth a timer of its own. */
  onTick(): void
  /** A PING was not answered in time. */
  onSilence(): void
  onFault(cause: unknown): void
}

/** The deadline of the step a new connection is at, then the pings of an open one. One timer at any time. */
export class SessionTimers {
  readonly #owner: SessionTimersOwner
  #timer: Timer | undefined
  #pingTimer: Timer | undefined
  #pingSentAtMs: number | undefined
  #isOver = false

  constructor(owner: SessionTimersOwner) {
    this.#owner = owner
  }

  /** A step begins; the deadline of the step before is over. */
  expectWithin(ms: number): void {
    this.#timer?.cancel()
    if (this.#isOver) return
    this.#timer = this.#owner.loop.after(ms, () => this.#owner.onLate(), this.#owner)
  }

  /** The last step is done. */
  arrived(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Pings from now on, whatever else passes. */
  keepPinging(): void {
    if (this.#isOver) return
    const { loop, limits } = this.#owner
    this.#pingTimer = loop.after(limits.pingMs, () => this.#ping(), this.#owner)
  }

  /** @returns False when no ping was out. */
  pingAnswered(): boolean {
    const wasExpected = this.#pingSentAtMs !== undefined
    this.#pingSentAtMs = undefined
    return wasExpected
  }

  /** For good: whoever is told that a session opens, or that a request ends, may close the session in the midst of it. */
  cancel(): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#pingTimer?.cancel()
  }

  #ping(): void {
    const { loop, limits } = this.#owner
    const sentAtMs = this.#pingSentAtMs
    if (sentAtMs !== undefined && loop.nowMs - sentAtMs >= limits.pingAnswerMs) return this.#owner.onSilence()
    if (sentAtMs === undefined) {
      this.#pingSentAtMs = loop.nowMs
      this.#owner.sendPing()
    }
    this.#owner.onTick()
    this.keepPinging()
  }
}
