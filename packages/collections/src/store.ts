import type { Change, Collection, CollectionIndex, Filter } from './collection.ts'
import { Dependents, DependentsByKey } from './dependents.ts'
import type { Evaluation } from './dependents.ts'

export interface StoreOptions<V> {
  readonly name: string
  readonly equal: (a: V, b: V) => boolean
  /** Place in the order of work: a derivation may read stores of lower rank only. */
  readonly rank: number
  readonly onWritten: (store: Settled) => void
}

/** A store that has changed in the running transaction. */
export interface Settled {
  /** Ends the transaction for this store. @returns What tells the listeners. */
  takeNotice(): () => void
}

/** The values of one collection, what groups them, who reads them and who listens. */
export class Store<V> implements Collection<V>, Settled {
  readonly #options: StoreOptions<V>
  readonly #values = new Map<string, V>()
  /** What each key touched in the running transaction was before it. */
  readonly #before = new Map<string, V | undefined>()
  readonly #indexes: StoreIndex<V>[] = []
  readonly #followers: ((key: string) => void)[] = []
  readonly #listeners = new Set<(changes: readonly Change<V>[]) => void>()
  readonly #readersOfKey = new DependentsByKey<V>()
  readonly #readersOfAll = new Dependents<V>()

  constructor(options: StoreOptions<V>) {
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  get rank(): number {
    return this.#options.rank
  }

  get size(): number {
    return this.#values.size
  }

  get(key: string): V | undefined {
    return this.#values.get(key)
  }

  entries(): IterableIterator<[string, V]> {
    return this.#values.entries()
  }

  index(keysOf: (value: V, key: string) => Iterable<string>): StoreIndex<V> {
    const index = new StoreIndex(this, keysOf)
    for (const [key, value] of this.#values) index.change(key, undefined, value)
    this.#indexes.push(index)
    return index
  }

  onChange(listener: (changes: readonly Change<V>[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls `follower` at each write, in the middle of the transaction: for what is derived key by key. */
  follow(follower: (key: string) => void): void {
    this.#followers.push(follower)
    for (const key of this.#values.keys()) follower(key)
  }

  /** Sets, or with undefined deletes. Equal values change nothing and mark nobody. */
  write(key: string, value: V | undefined): void {
    const before = this.#values.get(key)
    if (this.#isSame(before, value)) return
    if (!this.#before.has(key)) this.#before.set(key, before)
    if (value === undefined) this.#values.delete(key)
    else this.#values.set(key, value)
    this.#options.onWritten(this)
    for (const follower of this.#followers) follower(key)
    for (const index of this.#indexes) index.change(key, before, value)
    this.#readersOfKey.mark(key, before, value)
    this.#readersOfAll.mark(before, value)
  }

  readKey(key: string, by: Evaluation): V | undefined {
    this.#readersOfKey.add(key, by)
    return this.#values.get(key)
  }

  readAll(by: Evaluation): readonly V[] {
    this.#readersOfAll.add(by)
    return [...this.#values].toSorted(byKey).map(([, value]) => value)
  }

  takeNotice(): () => void {
    const changes: Change<V>[] = []
    for (const [key, before] of this.#before) {
      const after = this.#values.get(key)
      if (!this.#isSame(before, after)) changes.push({ key, before, after })
    }
    this.#before.clear()
    return () => {
      if (changes.length > 0) for (const listener of this.#listeners) listener(changes)
    }
  }

  #isSame(a: V | undefined, b: V | undefined): boolean {
    if (a === undefined || b === undefined) return a === b
    return this.#options.equal(a, b)
  }
}

/** One grouping of one store's values. */
export class StoreIndex<V> implements CollectionIndex<V> {
  readonly store: Store<V>
  readonly #keysOf: (value: V, key: string) => Iterable<string>
  readonly #groups = new Map<string, Map<string, V>>()
  readonly #readers = new DependentsByKey<V>()

  constructor(store: Store<V>, keysOf: (value: V, key: string) => Iterable<string>) {
    this.store = store
    this.#keysOf = keysOf
  }

  find(group: string): readonly V[] {
    return [...(this.#groups.get(group) ?? [])].toSorted(byKey).map(([, value]) => value)
  }

  read(group: string, by: Evaluation, filter?: Filter<V>): readonly V[] {
    this.#readers.add(group, by, filter)
    const found = this.find(group)
    return filter === undefined ? found : found.filter(filter)
  }

  /** Moves one value between its old groups and its new ones, and marks the readers of both. */
  change(key: string, before: V | undefined, after: V | undefined): void {
    const old = new Set(before === undefined ? [] : this.#keysOf(before, key))
    const now = new Set(after === undefined ? [] : this.#keysOf(after, key))
    for (const group of old) if (!now.has(group)) this.#leave(group, key)
    for (const group of now) {
      if (after !== undefined)
        this.#groups.set(group, (this.#groups.get(group) ?? new Map<string, V>()).set(key, after))
    }
    for (const group of old.union(now)) {
      this.#readers.mark(group, old.has(group) ? before : undefined, now.has(group) ? after : undefined)
    }
  }

  #leave(group: string, key: string): void {
    const members = this.#groups.get(group)
    members?.delete(key)
    if (members?.size === 0) this.#groups.delete(group)
  }
}

function byKey<T>([a]: [string, T], [b]: [string, T]): number {
  return a < b ? -1 : a > b ? 1 : 0
}
