/** What became of one key in a transaction. Never with both absent, and never with both equal. */
export interface Change<V> {
  readonly key: string
  readonly before: V | undefined
  readonly after: V | undefined
}

/** Values by key, to be read and listened to. */
export interface Collection<V> {
  readonly name: string
  readonly size: number
  get(key: string): V | undefined
  entries(): IterableIterator<[string, V]>
  /**
   * Values grouped under keys of your choosing, kept up to date. Make indexes before the collection is filled.
   *
   * @param keysOf Pure; the groups a value belongs to.
   */
  index(keysOf: (value: V, key: string) => Iterable<string>): CollectionIndex<V>
  /**
   * Calls `listener` once for each transaction that changed this collection, after everything has been worked out.
   *
   * @returns Ends it.
   */
  onChange(listener: (changes: readonly Change<V>[]) => void): () => void
}

/** A collection that is filled from outside; changes count when the transaction they are made in ends. */
export interface InputCollection<V> extends Collection<V> {
  set(key: string, value: V): void
  delete(key: string): void
}

export interface CollectionIndex<V> {
  /** Values of the group, in order of their keys. */
  find(group: string): readonly V[]
}

export type Filter<V> = (value: V) => boolean

/** How a derivation reads other collections: each reading makes it depend on exactly what was asked for. */
export interface Fetch {
  get<T>(collection: Collection<T>, key: string): T | undefined
  /** @param filter Pure; a change that it takes neither before nor after causes no new evaluation. */
  find<T>(index: CollectionIndex<T>, group: string, filter?: Filter<T>): readonly T[]
  /** Depends on every value: use it for small collections only. */
  all<T>(collection: Collection<T>): readonly T[]
}
