import type { Collection, CollectionIndex, Fetch, Filter } from './collection.ts'
import type { Evaluation } from './dependents.ts'
import { CollectionError } from './collection-error.ts'
import { Store, StoreIndex } from './store.ts'

/** An evaluation that failed: it changes nothing but its own key. */
export interface Fault {
  readonly collection: string
  readonly key: string
  readonly cause: unknown
  /** Whether the value from before the failure stays in force. */
  readonly hasLastGood: boolean
}

export interface DerivationParts<P, V> {
  readonly from: Store<P>
  readonly to: Store<V>
  /** Pure but for `fetch`: what the value at `key` gives, by output key. */
  readonly evaluate: (value: P, fetch: Fetch, key: string) => ReadonlyMap<string, V>
  /** What stands in when `evaluate` throws and there is no last good value. */
  readonly fallback: (value: P, key: string) => ReadonlyMap<string, V>
  readonly onFault: (fault: Fault) => void
  readonly onRecovered: (key: string) => void
}

/** Keeps one store equal to what its source gives, evaluating again only what read something that changed. */
export class Derivation<P, V> {
  readonly #parts: DerivationParts<P, V>
  readonly #dirty = new Set<string>()
  readonly #evaluations = new Map<string, Evaluation>()
  /** Output keys of each source key. */
  readonly #given = new Map<string, ReadonlySet<string>>()
  readonly #giverOf = new Map<string, string>()
  readonly #faulty = new Set<string>()
  evaluations = 0

  constructor(parts: DerivationParts<P, V>) {
    this.#parts = parts
    parts.from.follow((key) => this.#dirty.add(key))
  }

  get name(): string {
    return this.#parts.to.name
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0
  }

  /** Works out everything marked; its sources are final by now. */
  settle(): void {
    for (const key of this.#dirty) this.#settleKey(key)
    this.#dirty.clear()
  }

  #settleKey(key: string): void {
    const evaluation = this.#evaluations.get(key) ?? {
      mark: () => void this.#dirty.add(key),
      read: new Set(),
    }
    for (const read of evaluation.read) read.forget(evaluation)
    evaluation.read.clear()
    const value = this.#parts.from.get(key)
    if (value === undefined) {
      this.#evaluations.delete(key)
      this.#recovered(key)
      this.#give(key, new Map())
      return
    }
    this.#evaluations.set(key, evaluation)
    this.evaluations++
    this.#run(key, value, evaluation)
  }

  #run(key: string, value: P, evaluation: Evaluation): void {
    try {
      const outputs = this.#parts.evaluate(value, this.#fetchFor(evaluation), key)
      for (const output of outputs.keys()) this.#checkGiver(output, key)
      this.#give(key, outputs)
      this.#recovered(key)
    } catch (cause) {
      const hasLastGood = this.#given.has(key) && !this.#faulty.has(key)
      this.#parts.onFault({ collection: this.#parts.to.name, key, cause, hasLastGood })
      if (hasLastGood) return
      this.#faulty.add(key)
      this.#give(key, this.#parts.fallback(value, key))
    }
  }

  #give(key: string, outputs: ReadonlyMap<string, V>): void {
    for (const output of this.#given.get(key) ?? []) {
      if (outputs.has(output)) continue
      this.#giverOf.delete(output)
      this.#parts.to.write(output, undefined)
    }
    for (const [output, value] of outputs) {
      this.#giverOf.set(output, key)
      this.#parts.to.write(output, value)
    }
    if (this.#parts.from.get(key) === undefined) this.#given.delete(key)
    else this.#given.set(key, new Set(outputs.keys()))
  }

  #checkGiver(output: string, key: string): void {
    const giver = this.#giverOf.get(output)
    if (giver === undefined || giver === key) return
    throw new CollectionError(
      'KEY_TAKEN',
      `Cannot give "${output}" in ${this.#parts.to.name}: "${giver}" gives it already`,
    )
  }

  #recovered(key: string): void {
    this.#faulty.delete(key)
    this.#parts.onRecovered(key)
  }

  #fetchFor(by: Evaluation): Fetch {
    return {
      get: <T>(collection: Collection<T>, key: string) => this.#storeOf(collection).readKey(key, by),
      find: <T>(index: CollectionIndex<T>, group: string, filter?: Filter<T>) => {
        if (!isStoreIndex(index)) throw foreign(this.#parts.to.name)
        this.#storeOf(index.store)
        return index.read(group, by, filter)
      },
      all: <T>(collection: Collection<T>) => this.#storeOf(collection).readAll(by),
    }
  }

  /** Only what was made before may be read: that is what makes one pass in order enough. */
  #storeOf<T>(collection: Collection<T>): Store<T> {
    const store = storeOf(collection, this.#parts.to.name)
    if (store.rank < this.#parts.to.rank) return store
    throw new CollectionError(
      'ORDER_WRONG',
      `Cannot read ${store.name} for ${this.#parts.to.name}: it was made later`,
    )
  }
}

/** What is behind a collection that a graph made. @throws {CollectionError} `ORDER_WRONG` */
export function storeOf<T>(collection: Collection<T>, reader: string): Store<T> {
  if (isStore(collection)) return collection
  throw foreign(reader)
}

function isStore<T>(collection: Collection<T>): collection is Store<T> {
  return collection instanceof Store
}

function isStoreIndex<T>(index: CollectionIndex<T>): index is StoreIndex<T> {
  return index instanceof StoreIndex
}

function foreign(name: string): CollectionError {
  return new CollectionError(
    'ORDER_WRONG',
    `Cannot read for ${name} from a collection that is not of its graph`,
  )
}
