import type { Collection, Fetch, InputCollection } from './collection.ts'
import { CollectionError } from './collection-error.ts'
import { Derivation, storeOf } from './derivation.ts'
import type { DerivationParts, Fault } from './derivation.ts'
import { equalPlain } from './equal-plain.ts'
import { Store } from './store.ts'
import type { Settled } from './store.ts'
import { Union } from './union.ts'

export interface CollectionOptions<V> {
  /** When two values count as the same, so that nothing after them is worked out again. Default: same content. */
  readonly equal?: (a: V, b: V) => boolean
}

export interface DerivationOptions<P, V> extends CollectionOptions<V> {
  /** What stands in for a value that could never be worked out; by default nothing does. */
  readonly fallback?: (value: P, key: string) => V | undefined
}

/** What the graph asks of a derivation, whatever its types. */
interface Step {
  readonly name: string
  readonly isDirty: boolean
  readonly evaluations: number
  settle(): void
}

/**
 * Collections and what is derived from them. One pass in the order they were made settles a transaction, since a
 * derivation can read only what was made before it; so no evaluation ever sees half of a change.
 *
 * A derivation that throws changes nothing but its own key: the last good value stays in force, or if there never was
 * one, the derivation's `fallback`. Which of them is safe is for the derivation to say.
 */
export class CollectionGraph {
  readonly #onFault: (fault: Fault) => void
  readonly #steps: Step[] = []
  readonly #faults = new Map<string, Fault>()
  readonly #written = new Set<Settled>()
  readonly #notices: (() => void)[] = []
  #rank = 0
  #depth = 0

  constructor(onFault: (fault: Fault) => void) {
    this.#onFault = onFault
  }

  /** Evaluations since the start, of all derivations. */
  get evaluations(): number {
    return this.#steps.reduce((sum, step) => sum + step.evaluations, 0)
  }

  /** Evaluations since the start, by the name of what was derived. */
  get evaluationsByName(): ReadonlyMap<string, number> {
    return new Map(this.#steps.map((step) => [step.name, step.evaluations]))
  }

  /** Derivations that fail now. */
  get faults(): readonly Fault[] {
    return [...this.#faults.values()]
  }

  input<V>(name: string, options: CollectionOptions<V> = {}): InputCollection<V> {
    const store = this.#store(name, options)
    const write = (key: string, value: V | undefined): void => {
      if (this.#depth === 0)
        throw new CollectionError('NO_TRANSACTION', `Cannot change ${name} outside a transaction`)
      store.write(key, value)
    }
    return Object.assign(store, {
      set: (key: string, value: V) => write(key, value),
      delete: (key: string) => write(key, undefined),
    })
  }

  /** At most one value for each of `from`, under the same key. */
  derive<P, V>(
    name: string,
    from: Collection<P>,
    evaluate: (value: P, fetch: Fetch, key: string) => V | undefined,
    options: DerivationOptions<P, V> = {},
  ): Collection<V> {
    const { fallback } = options
    const single = (key: string, value: V | undefined): ReadonlyMap<string, V> =>
      new Map(value === undefined ? [] : [[key, value]])
    return this.#derive(name, options, {
      from: storeOf(from, name),
      evaluate: (value, fetch, key) => single(key, evaluate(value, fetch, key)),
      fallback: (value, key) => single(key, fallback?.(value, key)),
    })
  }

  /** Any number of values for each of `from`, each under a key that no other gives. */
  deriveMany<P, V>(
    name: string,
    from: Collection<P>,
    evaluate: (value: P, fetch: Fetch, key: string) => ReadonlyMap<string, V>,
    options: CollectionOptions<V> = {},
  ): Collection<V> {
    return this.#derive(name, options, {
      from: storeOf(from, name),
      evaluate,
      fallback: () => new Map<string, V>(),
    })
  }

  /** Everything of several collections; of one key in two, the first collection's. */
  union<V>(
    name: string,
    sources: readonly Collection<V>[],
    options: CollectionOptions<V> = {},
  ): Collection<V> {
    const to = this.#store(name, options)
    this.#steps.push(
      new Union(
        sources.map((source) => storeOf(source, name)),
        to,
      ),
    )
    return to
  }

  /**
   * Makes changes that take effect together. Nested, it is part of the outer one. If `change` throws, what it had
   * changed so far takes effect and the error goes on to the caller.
   */
  transaction(change: () => void): void {
    this.#depth++
    try {
      change()
    } finally {
      if (this.#depth === 1) this.#settle()
      this.#depth--
    }
    if (this.#depth === 0) this.#notify()
  }

  #derive<P, V>(
    name: string,
    options: CollectionOptions<V>,
    work: Pick<DerivationParts<P, V>, 'from' | 'evaluate' | 'fallback'>,
  ): Collection<V> {
    const to = this.#store(name, options)
    const derivation = new Derivation({
      ...work,
      to,
      onFault: (fault) => {
        this.#faults.set(`${name} ${fault.key}`, fault)
        this.#onFault(fault)
      },
      onRecovered: (key) => this.#faults.delete(`${name} ${key}`),
    })
    this.#steps.push(derivation)
    this.transaction(() => {}) // takes in what its source has already
    return to
  }

  #settle(): void {
    for (const step of this.#steps) if (step.isDirty) step.settle()
    for (const store of this.#written) this.#notices.push(store.takeNotice())
    this.#written.clear()
  }

  /** A listener may make a transaction: those who listen to it are told after those who listen to this one. */
  #notify(): void {
    for (let notice = this.#notices.shift(); notice !== undefined; notice = this.#notices.shift()) notice()
  }

  #store<V>(name: string, options: CollectionOptions<V>): Store<V> {
    return new Store<V>({
      name,
      equal: options.equal ?? equalPlain,
      rank: this.#rank++,
      onWritten: (store) => this.#written.add(store),
    })
  }
}
