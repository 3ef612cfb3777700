import type { EncodedResource } from './encoded-resource.ts'
import { ResponseBody } from './response-body.ts'

/** The server's window on one type of resource: the current content, and word of what changed. */
export interface ResourceView {
  readonly typeUrl: string
  readonly size: number
  names(): Iterable<string>
  get(name: string): EncodedResource | undefined
  /** Names of the resources that have `key` among their aliases or groups. */
  find(key: string): Iterable<string>
  /** Everything in one piece that clients share, if there is one. */
  all?(): ResponseBody
  /** `notify` gets the names that were added, changed or removed; returns how to leave. */
  onChange(notify: (names: ReadonlySet<string>) => void): () => void
}

/** A view that is filled by hand: the one istiod keeps up to date, and a test's. */
export class ResourceTable implements ResourceView {
  readonly typeUrl: string
  readonly #resources = new Map<string, EncodedResource>()
  readonly #listeners = new Set<(names: ReadonlySet<string>) => void>()
  /** Made when somebody first asks: clients that want everything never do. */
  #names: Map<string, Set<string>> | undefined
  /** Until the next change. */
  #all: ResponseBody | undefined

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl
  }

  get size(): number {
    return this.#resources.size
  }

  names(): Iterable<string> {
    return this.#resources.keys()
  }

  get(name: string): EncodedResource | undefined {
    return this.#resources.get(name)
  }

  find(key: string): Iterable<string> {
    if (this.#names === undefined) {
      this.#names = new Map()
      for (const resource of this.#resources.values()) this.#enter(resource)
    }
    return this.#names.get(key) ?? []
  }

  all(): ResponseBody {
    this.#all ??= new ResponseBody(Buffer.concat([...this.#resources.values()].map(({ frame }) => frame)))
    return this.#all
  }

  onChange(notify: (names: ReadonlySet<string>) => void): () => void {
    this.#listeners.add(notify)
    return () => void this.#listeners.delete(notify)
  }

  /** Applies one batch. An upsert with the version that is already here changes nothing and tells nobody. */
  apply(upserts: Iterable<EncodedResource>, removed: Iterable<string>): void {
    const changed = new Set<string>()
    for (const name of removed) if (this.#set(name, undefined)) changed.add(name)
    for (const resource of upserts) {
      if (this.#resources.get(resource.name)?.version === resource.version) continue
      this.#set(resource.name, resource)
      changed.add(resource.name)
    }
    if (changed.size === 0) return
    this.#all = undefined
    for (const notify of [...this.#listeners]) notify(changed)
  }

  #set(name: string, resource: EncodedResource | undefined): boolean {
    const before = this.#resources.get(name)
    if (before !== undefined) this.#leave(before)
    if (resource === undefined) return this.#resources.delete(name)
    this.#resources.set(name, resource)
    this.#enter(resource)
    return true
  }

  #enter(resource: EncodedResource): void {
    if (this.#names === undefined) return
    for (const key of keysOf(resource)) {
      const names = this.#names.get(key) ?? new Set()
      this.#names.set(key, names.add(resource.name))
    }
  }

  #leave(resource: EncodedResource): void {
    if (this.#names === undefined) return
    for (const key of keysOf(resource)) {
      const names = this.#names.get(key)
      names?.delete(resource.name)
      if (names?.size === 0) this.#names.delete(key)
    }
  }
}

/** Everything a resource is found by, besides its name. */
export function keysOf({ aliases, groups }: EncodedResource): readonly string[] {
  return [...aliases, ...groups]
}
