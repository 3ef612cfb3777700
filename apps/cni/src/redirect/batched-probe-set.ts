import type { HostProbe, ProbeEntry } from './host-probe.ts'

/** The addresses of the node's set. */
export type ProbeSet = Pick<HostProbe, 'add' | 'remove' | 'list'>

interface Change {
  readonly verb: 'add' | 'remove'
  readonly entries: readonly ProbeEntry[]
  readonly done: PromiseWithResolvers<void>
}

/**
 * Changes a set for many pods at a time: what is asked for while one change is under way is made by the one after it. Changes
 * are made in the order in which they were asked for.
 */
export class BatchedProbeSet implements ProbeSet {
  readonly #set: ProbeSet
  readonly #waiting: Change[] = []
  #isAtWork = false

  constructor(set: ProbeSet) {
    this.#set = set
  }

  add(entries: readonly ProbeEntry[]): Promise<void> {
    return this.#change('add', entries)
  }

  remove(entries: readonly ProbeEntry[]): Promise<void> {
    return this.#change('remove', entries)
  }

  list(): Promise<readonly ProbeEntry[]> {
    return this.#set.list()
  }

  #change(verb: Change['verb'], entries: readonly ProbeEntry[]): Promise<void> {
    if (entries.length === 0) return Promise.resolve()
    const done = Promise.withResolvers<void>()
    this.#waiting.push({ verb, entries, done })
    if (!this.#isAtWork) void this.#work()
    return done.promise
  }

  async #work(): Promise<void> {
    this.#isAtWork = true
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) await this.#make(batch)
    this.#isAtWork = false
  }

  /** Those at the front that want the same done. */
  #take(): readonly Change[] {
    const [first] = this.#waiting
    const other = this.#waiting.findIndex(({ verb }) => verb !== first?.verb)
    return this.#waiting.splice(0, other < 0 ? this.#waiting.length : other)
  }

  /** One address that the set does not take fails with its own pod and not with others. */
  async #make(batch: readonly Change[]): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    try {
      await this.#set[first.verb](batch.flatMap(({ entries }) => entries))
      for (const { done } of batch) done.resolve()
    } catch (cause) {
      if (batch.length === 1) first.done.reject(cause)
      else for (const each of batch) await this.#make([each])
    }
  }
}
