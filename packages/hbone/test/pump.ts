import { EventLoop } from '@ambient/event-loop'
import { keepTurning } from '@ambient/testkit'
import { expect } from 'vitest'

/** Turns an event loop between the turns of Node's, so that a test can await foreign peers made of Node sockets. */
export class Pump implements Disposable {
  readonly loop: EventLoop
  readonly faults: unknown[] = []
  #turning: Disposable | undefined

  constructor() {
    this.loop = new EventLoop({ onFault: (_owner, cause) => void this.faults.push(cause) })
  }

  start(): void {
    this.#turning ??= keepTurning(this.loop)
  }

  stop(): void {
    this.#turning?.[Symbol.dispose]()
    this.#turning = undefined
  }

  /** Turns of a loop that has nothing to do; 0 or 1 unless something spins. */
  idleTurns(ms = 250): number {
    const before = this.loop.counters.turns
    for (const endAtMs = performance.now() + ms; performance.now() < endAtMs;) {
      this.loop.turn(Math.max(1, Math.ceil(endAtMs - performance.now())))
    }
    return this.loop.counters.turns - before
  }

  /** No exception was contained, and the loop sleeps. */
  expectQuiet(): void {
    expect(this.faults).toEqual([])
    // A loop that spins turns tens of thousands of times; a few are pings of sessions and late wake-ups.
    expect(this.idleTurns(100)).toBeLessThanOrEqual(10)
  }

  [Symbol.dispose](): void {
    this.stop()
    this.loop[Symbol.dispose]()
  }
}
