import { type FSWatcher, statSync, watch } from 'node:fs'

/** Tells of changes in some directories. A hint: the kernel's queue may overflow, so its user looks by himself as well. */
export class DirectoryWatch implements Disposable {
  readonly #onChange: () => void
  readonly #watched = new Map<string, { readonly inode: number; readonly watcher: FSWatcher | undefined }>()

  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** Watches what is at these paths now; a directory that was replaced by another is watched anew. */
  renew(paths: readonly string[]): void {
    for (const path of paths) {
      const inode = statSync(path, { throwIfNoEntry: false })?.ino ?? 0
      const known = this.#watched.get(path)
      if (known?.inode === inode) continue
      known?.watcher?.close()
      this.#watched.set(path, { inode, watcher: inode === 0 ? undefined : this.#watch(path) })
    }
  }

  [Symbol.dispose](): void {
    for (const { watcher } of this.#watched.values()) watcher?.close()
    this.#watched.clear()
  }

  #watch(path: string): FSWatcher | undefined {
    try {
      const watcher = watch(path, { persistent: false }, () => this.#onChange())
      watcher.on('error', () => {}) // the next look comes anyway
      return watcher
    } catch {
      return undefined // out of watches
    }
  }
}
