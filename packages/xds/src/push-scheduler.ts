import type { Clock } from '@ambient/lifecycle'
import type { XdsLimits } from './limits.ts'

/** Somebody to push to. */
export interface Pushable {
  /** Somebody waits for an answer, and not just for news. */
  readonly isAwaited: boolean
  /** Resources that are due. */
  readonly due: number
  push(): void
}

export interface PushSchedulerDeps<Client> {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly limits: Pick<XdsLimits, 'pushSliceMs' | 'unreadBytes' | 'largeAnswer'>
  readonly onFault: (client: Client, cause: unknown) => void
  /** Told when a client has to wait until others have read. */
  readonly onNoRoom: () => void
}

/**
 * Whose turn it is: clients that wait for an answer come before those that are told of changes, each once, in slices of
 * time between which all other work has its turn.
 */
export class PushScheduler<Client extends Pushable> {
  readonly #deps: PushSchedulerDeps<Client>
  readonly #awaited = new Set<Client>()
  readonly #changed = new Set<Client>()
  #unreadBytes = 0
  #isRunDue = false

  constructor(deps: PushSchedulerDeps<Client>) {
    this.#deps = deps
  }

  add(client: Client): void {
    this.#changed.delete(client)
    const waiting = client.isAwaited || this.#awaited.has(client) ? this.#awaited : this.#changed
    waiting.add(client)
    // Views change one after the other in one batch; all have changed when this runs, and go out in the views' order.
    this.#runSoon(queueMicrotask)
  }

  delete(client: Client): void {
    this.#awaited.delete(client)
    this.#changed.delete(client)
  }

  onPushed(bytes: number): void {
    this.#unreadBytes += bytes
  }

  onSent(bytes: number): void {
    this.#unreadBytes -= bytes
    if (this.#awaited.size + this.#changed.size > 0) this.#runSoon(setImmediate)
  }

  #runSoon(soon: (run: () => void) => unknown): void {
    if (this.#isRunDue) return
    this.#isRunDue = true
    soon(() => {
      this.#isRunDue = false
      this.#run()
    })
  }

  #run(): void {
    const { clock, limits, onFault } = this.#deps
    const endMs = clock.monotonicMs() + limits.pushSliceMs
    for (let next = this.#takeNext(); next !== undefined; next = this.#takeNext()) {
      try {
        next.push()
      } catch (cause) {
        onFault(next, cause)
      }
      if (clock.monotonicMs() >= endMs) return this.#runSoon(setImmediate)
    }
  }

  #takeNext(): Client | undefined {
    for (const waiting of [this.#awaited, this.#changed]) {
      for (const client of waiting) {
        if (!this.#hasRoomFor(client)) continue
        waiting.delete(client)
        return client
      }
    }
    return undefined
  }

  /** Large answers are many megabytes each: of a whole cluster that reconnects, only some at a time. */
  #hasRoomFor(client: Client): boolean {
    const { unreadBytes, largeAnswer } = this.#deps.limits
    if (this.#unreadBytes < unreadBytes || client.due < largeAnswer) return true
    this.#deps.onNoRoom()
    return false
  }
}
