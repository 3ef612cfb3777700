import type { Filter } from './collection.ts'

/** One derivation at one key: what is to be done again when something it read has changed. */
export interface Evaluation {
  mark(): void
  /** Everything it read at its last run, each once. */
  readonly read: Forgettable[]
}

export interface Forgettable {
  forget(evaluation: Evaluation): void
}

/** Any change, one that a filter takes, or one that any of several takes: the plainest form, since there are millions. */
type Filters<V> = 'any' | Filter<V> | readonly Filter<V>[]

/** The evaluations that read one thing: a key, a group of an index, or a whole collection. */
export class Dependents<V> implements Forgettable {
  /** The only reader stands by itself: most keys are read by one evaluation, and a map of one is ten times as large. */
  #only: Evaluation | undefined
  #filters: Filters<V> = 'any'
  #readers: Map<Evaluation, Filters<V>> | undefined

  get isEmpty(): boolean {
    return this.#only === undefined && (this.#readers === undefined || this.#readers.size === 0)
  }

  add(evaluation: Evaluation, filter?: Filter<V>): void {
    const before = this.#filtersOf(evaluation)
    if (before === undefined) evaluation.read.push(this)
    const filters = both(before, filter)
    if (this.#readers !== undefined) this.#readers.set(evaluation, filters)
    else if (this.#only === undefined || this.#only === evaluation) {
      this.#only = evaluation
      this.#filters = filters
    } else {
      this.#readers = new Map([
        [this.#only, this.#filters],
        [evaluation, filters],
      ])
      this.#only = undefined
    }
  }

  forget(evaluation: Evaluation): void {
    if (this.#only === evaluation) this.#only = undefined
    else this.#readers?.delete(evaluation)
  }

  /** Marks those whose filter takes the value as it was or as it is. */
  mark(before: V | undefined, after: V | undefined): void {
    if (this.#only !== undefined && takes(this.#filters, before, after)) this.#only.mark()
    for (const [evaluation, filters] of this.#readers ?? [])
      if (takes(filters, before, after)) evaluation.mark()
  }

  #filtersOf(evaluation: Evaluation): Filters<V> | undefined {
    return this.#only === evaluation ? this.#filters : this.#readers?.get(evaluation)
  }
}

function both<V>(before: Filters<V> | undefined, filter: Filter<V> | undefined): Filters<V> {
  if (filter === undefined || before === 'any') return 'any'
  if (before === undefined || before === filter) return filter
  return [...(typeof before === 'function' ? [before] : before), filter]
}

function takes<V>(filters: Filters<V>, before: V | undefined, after: V | undefined): boolean {
  if (filters === 'any') return true
  const taken = (filter: Filter<V>): boolean =>
    (before !== undefined && filter(before)) || (after !== undefined && filter(after))
  return typeof filters === 'function' ? taken(filters) : filters.some(taken)
}

/** Dependents by key; keys that nobody reads any more are dropped. */
export class DependentsByKey<V> {
  readonly #byKey = new Map<string, Dependents<V>>()

  add(key: string, evaluation: Evaluation, filter?: Filter<V>): void {
    let dependents = this.#byKey.get(key)
    if (dependents === undefined) {
      dependents = new Dependents<V>()
      this.#byKey.set(key, dependents)
    }
    dependents.add(evaluation, filter)
  }

  mark(key: string, before: V | undefined, after: V | undefined): void {
    const dependents = this.#byKey.get(key)
    if (dependents === undefined) return
    if (dependents.isEmpty) this.#byKey.delete(key)
    else dependents.mark(before, after)
  }
}
