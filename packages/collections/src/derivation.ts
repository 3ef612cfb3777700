import type { Collection, CollectionIndex, Fetch, Filter } from './collection.ts'
import type { Evaluation, Forgettable } from './dependents.ts'
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

/** What is known of one source key: what it read, and what it gave. */
class Place implements Evaluation {
  readonly #dirty: Set<string>
  readonly #key: string
  read: Forgettable[] = []
  /** Output keys: one by itself, as most give, or several. */
  given: string | ReadonlySet<string> | undefined

  constructor(dirty: Set<string>, key: string) {
    this.#dirty = dirty
    this.#key = key
  }

  mark(): void {
    this.#dirty.add(this.#key)
  }

  forgetReads(): void {
    for (const read of this.read) read.forget(this)
    this.read = []
  }

  gives(output: string): boolean {
    return typeof this.given === 'string' ? this.given === output : this.given?.has(output) === true
  }

  outputs(): Iterable<string> {
    return typeof this.given === 'string' ? [this.given] : (this.given ?? [])
  }
}

/** Keeps one store equal to what its source gives, evaluating again only what read something that changed. */
export class Derivation<P, V> {
  readonly #parts: DerivationParts<P, V>
  readonly #dirty = new Set<string>()
  readonly #places = new Map<string, Place>()
  /** Who gives an output, unless it is the source of the same key. */
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
    const known = this.#places.get(key)
    known?.forgetReads()
    const value = this.#parts.from.get(key)
    if (value === undefined) {
      this.#recovered(key)
      if (known !== undefined) this.#give(key, known, new Map())
      this.#places.delete(key)
      return
    }
    const place = known ?? new Place(this.#dirty, key)
    this.#places.set(key, place)
    this.evaluations++
    this.#run(key, value, place)
  }

  #run(key: string, value: P, place: Place): void {
    try {
      const outputs = this.#parts.evaluate(value, this.#fetchFor(place), key)
      for (const output of outputs.keys()) this.#checkGiver(output, key)
      this.#give(key, place, outputs)
      this.#recovered(key)
    } catch (cause) {
      const hasLastGood = place.given !== undefined && !this.#faulty.has(key)
      this.#parts.onFault({ collection: this.#parts.to.name, key, cause, hasLastGood })
      if (hasLastGood) return
      this.#faulty.add(key)
      this.#give(key, place, this.#parts.fallback(value, key))
    }
  }

  #give(key: string, place: Place, outputs: ReadonlyMap<string, V>): void {
    for (const output of place.outputs()) {
      if (outputs.has(output)) continue
      this.#giverOf.delete(output)
      this.#parts.to.write(output, undefined)
    }
    for (const [output, value] of outputs) {
      if (output !== key) this.#giverOf.set(output, key)
      this.#parts.to.write(output, value)
    }
    const [only] = outputs.keys()
    place.given = outputs.size === 1 ? only : new Set(outputs.keys())
  }

  #checkGiver(output: string, key: string): void {
    if (this.#places.get(key)?.gives(output) === true) return
    const giver =
      this.#giverOf.get(output) ?? (this.#places.get(output)?.gives(output) === true ? output : undefined)
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
