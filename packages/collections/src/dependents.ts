import type { Filter } from './collection.ts'

/** One derivation at one key: what is to be done again when something it read has changed. */
export interface Evaluation {
  readonly mark: () => void
  /** Everything it read at its last run. */
  readonly read: Set<Forgettable>
}

export interface Forgettable {
  forget(evaluation: Evaluation): void
}

type Filters<V> = readonly Filter<V>[] | 'any'

/** The evaluations that read one thing: a key, a group of an index, or a whole collection. */
export class Dependents<V> implements Forgettable {
  readonly #readers = new Map<Evaluation, Filters<V>>()

  get isEmpty(): boolean {
    return this.#readers.size === 0
  }

  add(evaluation: Evaluation, filter?: Filter<V>): void {
    const before = this.#readers.get(evaluation) ?? []
    this.#readers.set(evaluation, filter === undefined || before === 'any' ? 'any' : [...before, filter])
    evaluation.read.add(this)
  }

  forget(evaluation: Evaluation): void {
    this.#readers.delete(evaluation)
  }

  /** Marks those whose filter takes the value as it was or as it is. */
  mark(before: V | undefined, after: V | undefined): void {
    for (const [evaluation, filters] of this.#readers) {
      if (filters === 'any' || filters.some((takes) => isTaken(takes, before) || isTaken(takes, after)))
        evaluation.mark()
    }
  }
}

function isTaken<V>(takes: Filter<V>, value: V | undefined): boolean {
  return value !== undefined && takes(value)
}

/** Dependents by key; keys that nobody reads any more are dropped. */
export class DependentsByKey<V> {
  readonly #byKey = new Map<string, Dependents<V>>()

  add(key: string, evaluation: Evaluation, filter?: Filter<V>): void {
    const dependents = this.#byKey.get(key) ?? new Dependents<V>()
    this.#byKey.set(key, dependents)
    dependents.add(evaluation, filter)
  }

  mark(key: string, before: V | undefined, after: V | undefined): void {
    const dependents = this.#byKey.get(key)
    if (dependents === undefined) return
    if (dependents.isEmpty) this.#byKey.delete(key)
    else dependents.mark(before, after)
  }
}
