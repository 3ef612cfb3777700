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

/** What became of one key when it was worked out again. */
type Outcome<V> =
  | { readonly kind: 'gone' }
  | { readonly kind: 'good'; readonly outputs: ReadonlyMap<string, V> }
  | { readonly kind: 'bad'; readonly cause: unknown }

const NOTHING: ReadonlySet<string> = new Set()

/** What is known of one source key: what it read, and what it gives. */
class Place implements Evaluation {
  readonly #dirty: Set<string>
  readonly #key: string
  read: Forgettable[] = []
  /** Output keys: one by itself, as most give, or several; undefined before the first evaluation. */
  #given: string | ReadonlySet<string> | undefined

  constructor(dirty: Set<string>, key: string) {
    this.#dirty = dirty
    this.#key = key
  }

  get hasGiven(): boolean {
    return this.#given !== undefined
  }

  set given(outputs: ReadonlySet<string>) {
    const [only] = outputs
    if (outputs.size > 1) this.#given = outputs
    else this.#given = only ?? NOTHING
  }

  mark(): void {
    this.#dirty.add(this.#key)
  }

  forgetReads(): void {
    for (const read of this.read) read.forget(this)
    this.read = []
  }

  gives(output: string): boolean {
    return typeof this.#given === 'string' ? this.#given === output : this.#given?.has(output) === true
  }

  outputs(): Iterable<string> {
    return typeof this.#given === 'string' ? [this.#given] : (this.#given ?? [])
  }
}

/** Keeps one store equal to what its source gives, evaluating again only what read something that changed. */
export class Derivation<P, V> {
  readonly #parts: DerivationParts<P, V>
  readonly #dirty = new Set<string>()
  readonly #places = new Map<string, Place>()
  /** Who gives an output, unless it is the source of the same key. */
  readonly #others = new Map<string, string>()
  /** Source keys that would give an output which another gives, by the output. */
  readonly #waiting = new Map<string, Set<string>>()
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

  /**
   * Works out everything marked; its sources are final by now. What is given up is given up first, so that one source
   * may take over from another what both change in the same transaction.
   */
  settle(): void {
    while (this.#dirty.size > 0) {
      const outcomes = [...this.#dirty].map((key) => [key, this.#workOut(key)] as const)
      this.#dirty.clear()
      const withdrawn = outcomes.map(([key, outcome]) => this.#giveUp(key, outcome))
      for (const [at, [key, outcome]] of outcomes.entries())
        this.#putInForce(key, outcome, withdrawn[at] ?? new Map())
    }
  }

  #placeOf(key: string): Place {
    const place = this.#places.get(key) ?? new Place(this.#dirty, key)
    this.#places.set(key, place)
    return place
  }

  #workOut(key: string): Outcome<V> {
    const place = this.#placeOf(key)
    place.forgetReads()
    const value = this.#parts.from.get(key)
    if (value === undefined) return { kind: 'gone' }
    this.evaluations++
    try {
      return { kind: 'good', outputs: this.#parts.evaluate(value, this.#fetchFor(place), key) }
    } catch (cause) {
      return { kind: 'bad', cause }
    }
  }

  /** @param withdrawn What it has given up already. */
  #putInForce(key: string, outcome: Outcome<V>, withdrawn: ReadonlyMap<string, V>): void {
    switch (outcome.kind) {
      case 'gone':
        this.#places.delete(key)
        return this.#recovered(key)
      case 'bad':
        return this.#fail(key, outcome.cause, withdrawn)
      case 'good': {
        const taken = [...outcome.outputs.keys()].find((output) => this.#isOthers(output, key))
        if (taken !== undefined) return this.#fail(key, this.#takenError(taken, key), withdrawn)
        this.#give(key, outcome.outputs)
        return this.#recovered(key)
      }
    }
  }

  #fail(key: string, cause: unknown, withdrawn: ReadonlyMap<string, V>): void {
    const hasLastGood = this.#placeOf(key).hasGiven && !this.#faulty.has(key)
    this.#parts.onFault({ collection: this.#parts.to.name, key, cause, hasLastGood })
    if (hasLastGood) return this.#giveBack(key, withdrawn)
    this.#faulty.add(key)
    const value = this.#parts.from.get(key)
    const outputs = value === undefined ? new Map<string, V>() : this.#parts.fallback(value, key)
    this.#giveUp(key, { kind: 'good', outputs })
    this.#give(key, outputs)
  }

  /** Takes away what `key` gives and will give no more. @returns What that was. */
  #giveUp(key: string, outcome: Outcome<V>): ReadonlyMap<string, V> {
    const withdrawn = new Map<string, V>()
    if (outcome.kind === 'bad') return withdrawn
    const place = this.#placeOf(key)
    const kept = new Set<string>()
    for (const output of place.outputs()) {
      if (outcome.kind === 'good' && outcome.outputs.has(output)) {
        kept.add(output)
        continue
      }
      const value = this.#parts.to.get(output)
      if (value !== undefined) withdrawn.set(output, value)
      this.#others.delete(output)
      this.#parts.to.write(output, undefined)
      for (const waiting of this.#waiting.get(output) ?? []) this.#dirty.add(waiting)
      this.#waiting.delete(output)
    }
    if (withdrawn.size > 0) place.given = kept
    return withdrawn
  }

  /** What was given up for something that could not be had, if nobody has taken it since. */
  #giveBack(key: string, withdrawn: ReadonlyMap<string, V>): void {
    const free = [...withdrawn].filter(([output]) => !this.#isOthers(output, key))
    if (free.length > 0) this.#give(key, new Map(free), this.#placeOf(key).outputs())
  }

  /** @param besides What it gives already and goes on giving. */
  #give(key: string, outputs: ReadonlyMap<string, V>, besides: Iterable<string> = []): void {
    for (const [output, value] of outputs) {
      if (output !== key) this.#others.set(output, key)
      this.#parts.to.write(output, value)
    }
    this.#placeOf(key).given = new Set([...besides, ...outputs.keys()])
  }

  #giverOf(output: string): string | undefined {
    return this.#others.get(output) ?? (this.#places.get(output)?.gives(output) === true ? output : undefined)
  }

  #isOthers(output: string, key: string): boolean {
    const giver = this.#giverOf(output)
    return giver !== undefined && giver !== key
  }

  #takenError(output: string, key: string): CollectionError {
    this.#waiting.set(output, (this.#waiting.get(output) ?? new Set()).add(key))
    return new CollectionError(
      'KEY_TAKEN',
      `Cannot give "${output}" in ${this.#parts.to.name}: "${this.#giverOf(output)}" gives it already`,
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
