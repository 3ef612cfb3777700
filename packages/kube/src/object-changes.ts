import type { KubeObject } from './kube-object.ts'
import type { WatchEvent } from './resource-source.ts'

/**
 * One watcher's backlog: which objects may have changed since it last looked. It holds keys, not events, so a slow
 * reader costs no more memory than there are objects.
 */
export class ObjectChanges {
  readonly #dirty: Set<string>
  readonly #told = new Map<string, KubeObject>()
  #wake = Promise.withResolvers<void>()
  #isClosed = false

  constructor(initial: Iterable<string>) {
    this.#dirty = new Set(initial)
  }

  mark(key: string): void {
    this.#dirty.add(key)
    this.#wake.resolve()
  }

  close(): void {
    this.#isClosed = true
    this.#wake.resolve()
  }

  /** @param current The object as this watcher may see it, or undefined. */
  async *events(current: (key: string) => KubeObject | undefined): AsyncGenerator<WatchEvent> {
    let isSynced = false
    while (true) {
      for (const key of this.#dirty) {
        if (this.#isClosed) return
        this.#dirty.delete(key)
        yield* this.#tell(key, current(key))
      }
      if (!isSynced) yield { type: 'synced' }
      isSynced = true
      if (this.#dirty.size > 0) continue
      await this.#wake.promise
      if (this.#isClosed) return
      this.#wake = Promise.withResolvers()
    }
  }

  *#tell(key: string, now: KubeObject | undefined): Generator<WatchEvent> {
    const before = this.#told.get(key)
    const isSame = before !== undefined && before.metadata.uid === now?.metadata.uid
    if (now === undefined) this.#told.delete(key)
    else this.#told.set(key, now)
    if (before !== undefined && !isSame) yield { type: 'deleted', object: before }
    if (now === undefined) return
    if (!isSame) yield { type: 'added', object: now }
    else if (before.metadata.resourceVersion !== now.metadata.resourceVersion)
      yield { type: 'modified', object: now }
  }
}
