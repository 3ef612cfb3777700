/** One deadline of a loop. Cancelling lets go of the closure at once; the entry itself may stay until its time. */
export class Timer {
  readonly atMs: number
  #fire: (() => void) | undefined
  #onCancel: (() => void) | undefined

  constructor(atMs: number, fire: () => void, onCancel: () => void) {
    this.atMs = atMs
    this.#fire = fire
    this.#onCancel = onCancel
  }

  get isCancelled(): boolean {
    return this.#fire === undefined
  }

  cancel(): void {
    if (this.#fire === undefined) return
    this.#fire = undefined
    this.#onCancel?.()
    this.#onCancel = undefined
  }

  /** Runs once; nothing when cancelled or run before. */
  fire(): void {
    const fire = this.#fire
    this.#fire = undefined
    this.#onCancel = undefined
    fire?.()
  }
}

/** Below this, cancelled entries are not worth a sweep. */
const SWEEP_AT = 1024

/** Timers by time: a binary heap, swept when more than half of it is cancelled. */
export class TimerHeap {
  #heap: Timer[] = []
  #cancelled = 0
  // One closure for all timers of the heap.
  readonly #onCancel = (): void => {
    this.#cancelled++
    if (this.#cancelled < SWEEP_AT || this.#cancelled * 2 < this.#heap.length) return
    // A sorted array is a heap.
    this.#heap = this.#heap.filter((timer) => !timer.isCancelled).toSorted((a, b) => a.atMs - b.atMs)
    this.#cancelled = 0
  }

  /** Timers that will still fire. */
  get size(): number {
    return this.#heap.length - this.#cancelled
  }

  /** What is held, cancelled entries not yet swept included. */
  get entries(): number {
    return this.#heap.length
  }

  add(atMs: number, fire: () => void): Timer {
    const timer = new Timer(atMs, fire, this.#onCancel)
    this.#heap.push(timer)
    this.#rise(this.#heap.length - 1)
    return timer
  }

  /** When the next timer is due; `undefined` when there is none. */
  nextAtMs(): number | undefined {
    this.#dropCancelled()
    return this.#heap[0]?.atMs
  }

  /** Takes the first timer that is due at `nowMs`. */
  takeDue(nowMs: number): Timer | undefined {
    this.#dropCancelled()
    const first = this.#heap[0]
    if (first === undefined || first.atMs > nowMs) return undefined
    this.#pop()
    return first
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.isCancelled === true) {
      this.#pop()
      this.#cancelled--
    }
  }

  #pop(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    this.#sink()
  }

  #rise(start: number): void {
    for (let i = start; i > 0;) {
      const parent = (i - 1) >> 1
      if (this.#time(parent) <= this.#time(i)) return
      this.#swap(parent, i)
      i = parent
    }
  }

  #sink(): void {
    for (let i = 0; ;) {
      const left = 2 * i + 1
      const child = this.#time(left + 1) < this.#time(left) ? left + 1 : left
      if (this.#time(i) <= this.#time(child)) return
      this.#swap(i, child)
      i = child
    }
  }

  /** Beyond the end is never earlier. */
  #time(index: number): number {
    return this.#heap[index]?.atMs ?? Number.POSITIVE_INFINITY
  }

  #swap(a: number, b: number): void {
    const first = this.#heap[a]
    const second = this.#heap[b]
    if (first === undefined || second === undefined) return
    this.#heap[a] = second
    this.#heap[b] = first
  }
}
