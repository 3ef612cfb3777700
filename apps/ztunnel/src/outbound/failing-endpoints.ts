import { OUTBOUND_LIMITS } from './outbound-limits.ts'

/** Which endpoints a pod could not reach a moment ago, so that its next connections try others first. */
export class FailingEndpoints {
  readonly #clock: { readonly nowMs: number }
  /** In the order they failed. */
  readonly #untilMs = new Map<string, number>()

  constructor(clock: { readonly nowMs: number }) {
    this.#clock = clock
  }

  get size(): number {
    return this.#untilMs.size
  }

  has(endpoint: string): boolean {
    const untilMs = this.#untilMs.get(endpoint)
    if (untilMs === undefined) return false
    if (untilMs > this.#clock.nowMs) return true
    this.#untilMs.delete(endpoint)
    return false
  }

  note(endpoint: string): void {
    this.#untilMs.delete(endpoint)
    if (this.#untilMs.size >= OUTBOUND_LIMITS.failingEndpoints.value) {
      const [oldest] = this.#untilMs.keys()
      if (oldest !== undefined) this.#untilMs.delete(oldest)
    }
    this.#untilMs.set(endpoint, this.#clock.nowMs + OUTBOUND_LIMITS.failingMs.value)
  }

  /** It was reached. */
  forget(endpoint: string): void {
    this.#untilMs.delete(endpoint)
  }
}
