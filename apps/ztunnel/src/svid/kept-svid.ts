import { errorText, Backoff, type Clock, type Random } from '@ambient/lifecycle'
import { renewAtMs, type SpiffeId, type Svid } from '@ambient/spiffe'
import type { Logger } from '@ambient/telemetry'
import type { FetchSlots, SvidPriority } from './fetch-slots.ts'
import { SvidError } from './svid-error.ts'
import type { SvidLimits } from './svid-limits.ts'

export type SvidState =
  | { readonly kind: 'initializing' }
  | { readonly kind: 'available'; readonly svid: Svid }
  | { readonly kind: 'unavailable'; readonly error: string }

export interface FetchDeps {
  /** Must end soon after `signal` aborts. */
  readonly fetch: (id: SpiffeId, signal: AbortSignal) => Promise<Svid>
  readonly clock: Clock
  readonly random: Pick<Random, 'float'>
  readonly log: Pick<Logger, 'warn'>
  readonly onFetched?: (result: 'issued' | 'failed') => void
}

export interface KeptSvidDeps extends FetchDeps {
  readonly limits: SvidLimits
  readonly slots: FetchSlots
  readonly onState: (state: SvidState) => void
}

interface Waiter {
  readonly accept: (svid: Svid) => void
  readonly refuse: (detail: string) => void
}

const LONGEST_SLEEP_MS = 3_600_000 // the wall clock may jump: look again at least every hour
const JITTER = 0.2

/** The certificate of one identity over time: one loop that fetches, waits and fetches again until it is ended. */
export class KeptSvid {
  readonly id: SpiffeId
  /** Resolves when the loop is over; rejects only if `onState` throws. */
  readonly ended: Promise<void>
  readonly #deps: KeptSvidDeps
  readonly #end = new AbortController()
  readonly #waiters = new Set<Waiter>()
  #state: SvidState = { kind: 'initializing' }
  #priority: SvidPriority = 'warm-up'
  /** Cuts the present wait short; the loop then works out anew how long to wait. */
  #wake: () => void = () => {}

  constructor(id: SpiffeId, deps: KeptSvidDeps) {
    this.id = id
    this.#deps = deps
    this.ended = this.#run()
  }

  get state(): SvidState {
    return this.#state
  }

  async demand(priority: SvidPriority): Promise<Svid> {
    const here = this.#valid()
    if (here !== undefined) return here
    const { clock, limits } = this.#deps
    const { promise, resolve, reject } = Promise.withResolvers<Svid>()
    const over = new AbortController()
    const waiter: Waiter = { accept: resolve, refuse: (detail) => reject(this.#unavailable(detail)) }
    const onDeadline = (): void => waiter.refuse(`not within ${limits.demandMs} ms; ${this.#lastError()}`)
    void clock.sleep(limits.demandMs, over.signal).then(onDeadline, () => {})
    this.#waiters.add(waiter)
    if (priority === 'real-time') this.#priority = 'real-time'
    this.#wake()
    try {
      return await promise
    } finally {
      this.#waiters.delete(waiter)
      over.abort()
    }
  }

  end(): void {
    this.#end.abort(new DOMException('Identity forgotten', 'AbortError'))
    for (const waiter of this.#waiters) waiter.refuse('the identity is not on this node any more')
  }

  async #run(): Promise<void> {
    const { limits, random, clock } = this.#deps
    const retry = { firstMs: limits.firstRetryMs, factor: 2, maxMs: limits.maxRetryMs, jitter: JITTER }
    const backoff = new Backoff(retry, random)
    while (!this.#end.signal.aborted) {
      const fetched = await this.#fetch()
      if (this.#end.signal.aborted) return
      this.#deps.onFetched?.(fetched.kind === 'done' ? 'issued' : 'failed')
      if (fetched.kind === 'done') {
        backoff.reset()
        this.#accept(fetched.svid)
        // Never at once, or a certificate that comes half spent would be asked for in a tight loop.
        const dueMs = Math.max(clock.nowMs() + limits.firstRetryMs, renewAtMs(fetched.svid))
        await this.#waitUntil(() => dueMs)
      } else {
        this.#refuse(fetched.error)
        const failedMs = clock.nowMs()
        const delayMs = backoff.nextMs()
        await this.#waitUntil(() => failedMs + this.#retryDelayMs(delayMs, failedMs))
      }
    }
  }

  async #fetch(): Promise<
    { readonly kind: 'done'; readonly svid: Svid } | { readonly kind: 'failed'; readonly error: string }
  > {
    const { slots, fetch, clock, limits } = this.#deps
    const attempt = new AbortController()
    const onEnd = (): void => attempt.abort(this.#end.signal.reason)
    this.#end.signal.addEventListener('abort', onEnd, { once: true })
    try {
      const svid = await slots.run(
        () => this.#priority,
        attempt.signal,
        () => {
          const late = new DOMException(`no answer within ${limits.fetchMs} ms`, 'TimeoutError')
          void clock.sleep(limits.fetchMs, attempt.signal).then(
            () => attempt.abort(late),
            () => {},
          )
          return fetch(this.id, attempt.signal)
        },
      )
      if (svid.id !== this.id)
        return { kind: 'failed', error: `the CA answered with a certificate for ${svid.id}` }
      if (svid.notAfterMs <= clock.nowMs())
        return { kind: 'failed', error: 'the CA answered with an expired certificate' }
      return { kind: 'done', svid }
    } catch (cause) {
      return { kind: 'failed', error: errorText(cause) }
    } finally {
      this.#end.signal.removeEventListener('abort', onEnd)
      attempt.abort()
    }
  }

  #accept(svid: Svid): void {
    this.#priority = 'background'
    this.#setState({ kind: 'available', svid })
    for (const waiter of this.#waiters) waiter.accept(svid)
  }

  /** Who waits goes on waiting: the CA may have been a moment too early for a new pod. */
  #refuse(error: string): void {
    this.#deps.log.warn('certificate request failed', { identity: this.id, error })
    if (this.#valid() === undefined) this.#setState({ kind: 'unavailable', error })
  }

  /** The grown delay, but not beyond the end of what is still valid, and not long while a connection waits. */
  #retryDelayMs(delayMs: number, failedMs: number): number {
    const { limits } = this.#deps
    if (this.#waiters.size > 0) return Math.min(delayMs, limits.demandedRetryMs)
    const valid = this.#valid()
    return valid === undefined
      ? delayMs
      : Math.min(delayMs, Math.max(limits.firstRetryMs, valid.notAfterMs - failedMs))
  }

  async #waitUntil(dueMs: () => number): Promise<void> {
    const { clock } = this.#deps
    while (!this.#end.signal.aborted) {
      const leftMs = dueMs() - clock.nowMs()
      if (leftMs <= 0 || this.#isExpiredAndWanted()) return
      const wait = new AbortController()
      this.#wake = () => wait.abort()
      this.#end.signal.addEventListener('abort', this.#wake, { once: true })
      await clock.sleep(Math.min(leftMs, LONGEST_SLEEP_MS), wait.signal).catch(() => {})
      this.#end.signal.removeEventListener('abort', this.#wake)
    }
  }

  /** The clock jumped over the renewal, and a connection waits: there is nothing to wait for. */
  #isExpiredAndWanted(): boolean {
    return this.#waiters.size > 0 && this.#state.kind === 'available' && this.#valid() === undefined
  }

  #valid(): Svid | undefined {
    const isValid = this.#state.kind === 'available' && this.#state.svid.notAfterMs > this.#deps.clock.nowMs()
    return isValid && this.#state.kind === 'available' ? this.#state.svid : undefined
  }

  #setState(state: SvidState): void {
    this.#state = state
    this.#deps.onState(state)
  }

  #lastError(): string {
    return this.#state.kind === 'unavailable' ? this.#state.error : 'the first request is under way'
  }

  #unavailable(detail: string): SvidError {
    return new SvidError('IDENTITY_UNAVAILABLE', `No certificate for ${this.id}: ${detail}`)
  }
}
