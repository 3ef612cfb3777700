import type { Wait } from './identity-store.ts'

export interface AddressWaitsDeps {
  /** Asks the control thread for names that nobody has asked for yet. */
  readonly request: (names: readonly string[]) => void
  readonly after: (delayMs: number, fire: () => void) => Wait
  readonly waitMs: number
}

interface Waiter {
  readonly missing: Set<string>
  readonly use: (isAnswered: boolean) => void
  readonly timer: Wait
}

/**
 * Connections that wait for the control plane to say what is at an address, when the mesh is known on demand only. Any
 * number may wait for one name; it is asked for once.
 */
export class AddressWaits {
  readonly #deps: AddressWaitsDeps
  /** What is known of these is in the snapshot; the control thread bounds their number. */
  readonly #answered = new Set<string>()
  readonly #waiting = new Map<string, Set<Waiter>>()

  constructor(deps: AddressWaitsDeps) {
    this.#deps = deps
  }

  /** Those of `names` that still have to be asked for. */
  unanswered(names: readonly string[]): readonly string[] {
    return names.filter((name) => !this.#answered.has(name))
  }

  /** Calls `use` exactly once, later: when every name has been answered, or with false when `waitMs` are over. */
  wait(names: readonly string[], use: (isAnswered: boolean) => void): Wait {
    const leave = (): void => {
      waiter.timer.cancel()
      for (const name of waiter.missing) this.#leave(name, waiter)
    }
    const timer = this.#deps.after(this.#deps.waitMs, () => {
      leave()
      use(false)
    })
    const waiter: Waiter = { missing: new Set(names), use, timer }
    const unasked = names.filter((name) => !this.#waiting.has(name))
    for (const name of names) this.#waitersOf(name).add(waiter)
    if (unasked.length > 0) this.#deps.request(unasked)
    return { cancel: leave }
  }

  answered(names: readonly string[]): void {
    const done: Waiter[] = []
    for (const name of names) {
      this.#answered.add(name)
      for (const waiter of this.#waiting.get(name) ?? []) {
        waiter.missing.delete(name)
        if (waiter.missing.size === 0) done.push(waiter)
      }
      this.#waiting.delete(name)
    }
    for (const { timer, use } of done) {
      timer.cancel()
      use(true)
    }
  }

  /** They are followed no longer: whoever wants them next has to ask again. */
  dropped(names: readonly string[]): void {
    for (const name of names) this.#answered.delete(name)
  }

  #waitersOf(name: string): Set<Waiter> {
    const waiters = this.#waiting.get(name) ?? new Set<Waiter>()
    this.#waiting.set(name, waiters)
    return waiters
  }

  #leave(name: string, waiter: Waiter): void {
    const waiters = this.#waiting.get(name)
    waiters?.delete(waiter)
    if (waiters?.size === 0) this.#waiting.delete(name)
  }
}

/** What is named at an address may name others: a service its waypoint, that its gateway. No chain is longer. */
const MAX_ROUNDS = 4

/**
 * Asks for all that `unknown` names, then for what those name in turn. Calls `use` exactly once, later; false says that
 * the control plane did not answer in time.
 */
export function whenKnown(
  waits: AddressWaits,
  unknown: () => readonly string[],
  use: (isKnown: boolean) => void,
): Wait {
  let rounds = 0
  let pending: Wait = { cancel: () => {} }
  const ask = (): boolean => {
    const names = waits.unanswered(unknown())
    if (names.length === 0 || ++rounds > MAX_ROUNDS) return false
    pending = waits.wait(names, (isAnswered) => {
      if (!isAnswered || !ask()) use(isAnswered)
    })
    return true
  }
  ask()
  return { cancel: () => pending.cancel() }
}
