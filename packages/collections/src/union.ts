import type { Store } from './store.ts'

/** Keeps one store equal to several laid over each other: of one key in two, the first store's value. */
export class Union<V> {
  readonly #sources: readonly Store<V>[]
  readonly #to: Store<V>
  readonly #dirty = new Set<string>()
  readonly evaluations = 0 // nothing is worked out

  constructor(sources: readonly Store<V>[], to: Store<V>) {
    this.#sources = sources
    this.#to = to
    for (const source of sources) source.follow((key) => this.#dirty.add(key))
    this.settle()
  }

  get name(): string {
    return this.#to.name
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0
  }

  settle(): void {
    for (const key of this.#dirty) {
      const holder = this.#sources.find((source) => source.get(key) !== undefined)
      this.#to.write(key, holder?.get(key))
    }
    this.#dirty.clear()
  }
}
