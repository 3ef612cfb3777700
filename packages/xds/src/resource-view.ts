import type { EncodedResource } from './encoded-resource.ts'

/** The server's window on one type of resource: the current content, and word of what changed. */
export interface ResourceView {
  readonly typeUrl: string
  list(): Iterable<EncodedResource>
  get(name: string): EncodedResource | undefined
  /** Names of the resources that answer a demand, which may be for an address, or stand for several; none if there are none. */
  resolve?(demand: string): readonly string[]
  /** `notify` gets the names that were added, changed or removed; returns how to leave. */
  onChange(notify: (names: ReadonlySet<string>) => void): () => void
}

/** A view that is filled by hand: the one istiod keeps up to date, and a test's. */
export class ResourceTable implements ResourceView {
  readonly typeUrl: string
  readonly #resources = new Map<string, EncodedResource>()
  readonly #listeners = new Set<(names: ReadonlySet<string>) => void>()

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl
  }

  get size(): number {
    return this.#resources.size
  }

  list(): Iterable<EncodedResource> {
    return this.#resources.values()
  }

  get(name: string): EncodedResource | undefined {
    return this.#resources.get(name)
  }

  onChange(notify: (names: ReadonlySet<string>) => void): () => void {
    this.#listeners.add(notify)
    return () => void this.#listeners.delete(notify)
  }

  /** Applies one batch. An upsert with the version that is already here changes nothing and tells nobody. */
  apply(upserts: Iterable<EncodedResource>, removed: Iterable<string>): void {
    const changed = new Set<string>()
    for (const name of removed) if (this.#resources.delete(name)) changed.add(name)
    for (const resource of upserts) {
      if (this.#resources.get(resource.name)?.version === resource.version) continue
      this.#resources.set(resource.name, resource)
      changed.add(resource.name)
    }
    if (changed.size === 0) return
    for (const notify of [...this.#listeners]) notify(changed)
  }
}
