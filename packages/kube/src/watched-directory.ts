import { statSync, watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'

/**
 * Names of files in one directory that may have changed: told at once by the kernel, and by `poll` in case the kernel's
 * queue overflowed, no watch could be had, or the directory was replaced by another of the same path.
 */
export class WatchedDirectory implements Disposable {
  readonly #path: string
  readonly #names: () => ReadonlySet<string>
  readonly #onName: (name: string) => void
  readonly #stamps = new Map<string, string>()
  #watcher: FSWatcher | undefined
  #inode = 0

  /** @param names Of the files there are, and of those that its reader believes to be there. */
  constructor(path: string, names: () => ReadonlySet<string>, onName: (name: string) => void) {
    this.#path = path
    this.#names = names
    this.#onName = onName
    this.#watch()
  }

  /** Compares every file with what it was at the last poll. Gives way to other work now and then. */
  async poll(signal: AbortSignal): Promise<void> {
    const isReplaced = statSync(this.#path).ino !== this.#inode
    if (isReplaced) this.#watch()
    let looked = 0
    for (const name of new Set([...this.#names(), ...this.#stamps.keys()])) {
      const stamp = this.#stampOf(name)
      if (isReplaced || stamp !== this.#stamps.get(name)) this.#onName(name)
      if (stamp === undefined) this.#stamps.delete(name)
      else this.#stamps.set(name, stamp)
      if (++looked % FILES_A_SLICE === 0) await setImmediate()
      if (signal.aborted) return
    }
  }

  [Symbol.dispose](): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }

  #watch(): void {
    this.#watcher?.close()
    this.#inode = statSync(this.#path).ino
    try {
      this.#watcher = watch(this.#path, { persistent: false }, (_event, name) => {
        if (name !== null) this.#onName(name)
      })
      this.#watcher.on('error', () => {}) // the poll goes on
    } catch {
      this.#watcher = undefined // out of watches: the poll still finds every change
    }
  }

  #stampOf(name: string): string | undefined {
    const stat = statSync(join(this.#path, name), { throwIfNoEntry: false })
    return stat === undefined ? undefined : `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`
  }
}

const FILES_A_SLICE = 200
