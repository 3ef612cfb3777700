import { EventLoop } from '@ambient/event-loop'
import { expect } from 'vitest'

/** Turns an event loop between the turns of Node's, so that a test can await foreign peers made of Node sockets. */
export class Pump implements Disposable {
  readonly loop: EventLoop
  readonly faults: unknown[] = []
  #isRunning = false

  constructor() {
    this.loop = new EventLoop({ onFault: (_owner, cause) => void this.faults.push(cause) })
  }

  start(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#tick()
  }

  stop(): void {
    this.#isRunning = false
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
    expect(this.idleTurns(100)).toBeLessThanOrEqual(3)
  }

  [Symbol.dispose](): void {
    this.stop()
    this.loop[Symbol.dispose]()
  }

  #tick(): void {
    if (!this.#isRunning) return
    const { counters } = this.loop
    const emptyBefore = counters.emptyTurns
    this.loop.turn(0)
    // Nothing to do here: leave the processor alone for a moment, unless Node has something.
    if (counters.emptyTurns > emptyBefore) this.loop.turn(1)
    setImmediate(() => this.#tick())
  }
}
