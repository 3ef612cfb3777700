import { Epoll } from './epoll.ts'
import { TimerHeap, type Timer } from './timer-heap.ts'

/** Something an exception can end on its own. */
export interface Contained {
  /** Its own code threw. It must close what it owns and never be heard of again; the loop has let go of it. */
  onFault?(cause: unknown): void
}

export interface Source extends Contained {
  /** Must consume what it was told about, or disarm itself if level-triggered. */
  onEvents(events: number): void
}

export interface Task extends Contained {
  run(): void
}

export interface EventLoopOptions {
  /** Told of every contained exception, for the log. */
  readonly onFault?: (owner: Contained | undefined, cause: unknown) => void
}

/** For tests and metrics: a loop that turns without events or work is spinning. */
export interface LoopCounters {
  turns: number
  events: number
  emptyTurns: number
  faults: number
}

/** No turn waits longer, so that a request to terminate the thread is seen. */
const MAX_WAIT_MS = 1000
/** Deferred tasks that keep deferring are left to the next turn after so many rounds. */
const MAX_DEFER_ROUNDS = 16

/**
 * A single-threaded epoll loop. What an edge said is remembered by its owner, not by the loop. An exception in one
 * source, task or timer ends that one only; it is counted.
 */
export class EventLoop implements Disposable {
  readonly counters: LoopCounters = { turns: 0, events: 0, emptyTurns: 0, faults: 0 }
  readonly #epoll = new Epoll()
  readonly #sources = new Map<number, { readonly source: Source; readonly generation: number }>()
  readonly #timers = new TimerHeap()
  readonly #onFault: EventLoopOptions['onFault']
  #generation = 0
  #ready: Task[] = []
  #deferred: Task[] = []
  #isRunning = false
  #nowMs: number = performance.now()

  constructor(options: EventLoopOptions = {}) {
    this.#onFault = options.onFault
  }

  /** Monotonic milliseconds at the start of this turn. */
  get nowMs(): number {
    return this.#nowMs
  }

  get sourceCount(): number {
    return this.#sources.size
  }

  get timerCount(): number {
    return this.#timers.size
  }

  /** Registers `source` for `events` of `fd`; the caller still owns `fd`. */
  add(fd: number, events: number, source: Source): void {
    this.#generation = (this.#generation + 1) & 0x7fffffff
    this.#epoll.add(fd, events, this.#generation)
    this.#sources.set(fd, { source, generation: this.#generation })
  }

  /** Forget `fd` before closing it. Explicit, because a duplicate elsewhere would keep a closed number firing for ever. */
  remove(fd: number): void {
    if (this.#sources.delete(fd)) this.#epoll.delete(fd)
  }

  /** Runs `task` in the next turn, after the events already reported: there is more to do but others come first. */
  again(task: Task): void {
    this.#ready.push(task)
  }

  /** Runs `task` at the end of this turn: coalesces small writes into one. */
  defer(task: Task): void {
    this.#deferred.push(task)
  }

  /** Calls `fire` once, `delayMs` from now or later, never earlier. `owner` is ended if it throws. */
  after(delayMs: number, fire: () => void, owner?: Contained): Timer {
    return this.#timers.add(
      performance.now() + delayMs,
      owner === undefined ? fire : () => this.contain(owner, fire),
    )
  }

  /** Runs until `stop`; this thread does nothing else meanwhile. */
  run(): void {
    this.#isRunning = true
    while (this.#isRunning) this.turn(MAX_WAIT_MS)
  }

  /** Ends `run` after the current turn. */
  stop(): void {
    this.#isRunning = false
  }

  /** One turn: waits at most `maxWaitMs` for events, then runs timers, events, what was asked `again`, what was deferred. */
  turn(maxWaitMs: number): void {
    const count = this.#epoll.wait(this.#waitMs(maxWaitMs))
    this.#nowMs = performance.now()
    const ready = this.#ready
    // A fresh list: what is asked `again` from here on waits for the next turn, so that others come first.
    this.#ready = []
    const hadWork = count > 0 || ready.length > 0 || this.#deferred.length > 0
    const ranTimers = this.#runTimers()
    this.counters.turns++
    if (!hadWork && !ranTimers) this.counters.emptyTurns++
    for (let i = 0; i < count; i++) this.#dispatch(i)
    for (const task of ready) this.#runTask(task)
    for (let round = 0; round < MAX_DEFER_ROUNDS && this.#deferred.length > 0; round++) {
      const deferred = this.#deferred
      this.#deferred = []
      for (const task of deferred) this.#runTask(task)
    }
  }

  /** Runs `step`; if it throws, counts it, ends `owner` and reports. For code that acts for many owners, such as a listener. */
  contain(owner: Contained | undefined, step: () => void): void {
    try {
      step()
    } catch (cause) {
      this.#fault(owner, cause)
    }
  }

  /** Gives up the epoll descriptor. Sources still registered stay open: they have owners. */
  [Symbol.dispose](): void {
    this.stop()
    this.#sources.clear()
    this.#epoll.close()
  }

  #waitMs(maxWaitMs: number): number {
    if (this.#ready.length > 0 || this.#deferred.length > 0) return 0
    const nextAtMs = this.#timers.nextAtMs()
    if (nextAtMs === undefined) return maxWaitMs
    // Rounded up: rounding down turns the last millisecond before a timer into a busy loop.
    return Math.max(0, Math.min(maxWaitMs, Math.ceil(nextAtMs - performance.now())))
  }

  #runTimers(): boolean {
    let ran = false
    for (
      let due = this.#timers.takeDue(this.#nowMs);
      due !== undefined;
      due = this.#timers.takeDue(this.#nowMs)
    ) {
      ran = true
      try {
        due.fire()
      } catch (cause) {
        this.#fault(undefined, cause)
      }
    }
    return ran
  }

  #dispatch(index: number): void {
    const fd = this.#epoll.descriptorOf(index)
    const entry = this.#sources.get(fd)
    // Same number, other generation: the event belongs to a socket closed earlier in this very batch.
    if (entry === undefined || entry.generation !== this.#epoll.generationOf(index)) return
    this.counters.events++
    try {
      entry.source.onEvents(this.#epoll.eventsOf(index))
    } catch (cause) {
      if (this.#sources.get(fd) === entry) this.remove(fd)
      this.#fault(entry.source, cause)
    }
  }

  #runTask(task: Task): void {
    try {
      task.run()
    } catch (cause) {
      this.#fault(task, cause)
    }
  }

  #fault(owner: Contained | undefined, cause: unknown): void {
    this.counters.faults++
    try {
      owner?.onFault?.(cause)
    } catch (secondCause) {
      this.counters.faults++
      this.#onFault?.(owner, secondCause)
    }
    this.#onFault?.(owner, cause)
  }
}
