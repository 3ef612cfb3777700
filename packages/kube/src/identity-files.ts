import { randomUUID } from 'node:crypto'
import { linkSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRecord } from './field.ts'
import { hasErrorCode, readTextIfThere, removeFile } from './file-io.ts'
import type { WrittenPaths } from './file-io.ts'
import { describeRef } from './kube-object.ts'
import type { ObjectRef } from './kube-object.ts'
import { fileNameOf } from './layer-files.ts'

export interface Identity {
  readonly uid: string
  readonly createdAt: string
}

/**
 * Which incarnation of an object is the one there is now: one small file an object, made by whichever process sees the
 * object first, and by `link`, so that of two that try, both end up with the same.
 */
export class IdentityFiles {
  readonly #paths: WrittenPaths
  /** By file name. */
  readonly #known = new Map<string, { readonly key: string; readonly identity: Identity }>()

  constructor(paths: WrittenPaths) {
    this.#paths = paths
  }

  /** Names of the files there are and of those there were. */
  names(): ReadonlySet<string> {
    return new Set([...readdirSync(this.#paths.identities), ...this.#known.keys()])
  }

  /** @returns Objects whose identity is no longer what was read: it is read again when asked for. */
  refresh(names: Iterable<string>): ReadonlySet<string> {
    const changed = new Set<string>()
    for (const file of names) {
      const known = this.#known.get(file)
      if (known === undefined || this.#read(file)?.uid === known.identity.uid) continue
      this.#known.delete(file)
      changed.add(known.key)
    }
    return changed
  }

  /** The object's identity, made now if it has none. */
  ensure(ref: ObjectRef, nowMs: number): Identity {
    const key = describeRef(ref)
    const file = identityFileName(key)
    const known = this.#known.get(file)
    if (known !== undefined) return known.identity
    const identity = this.#read(file) ?? this.#make(file, nowMs)
    this.#known.set(file, { key, identity })
    return identity
  }

  /** The object is gone: the next of its name is another. */
  forget(ref: ObjectRef, uid: string): void {
    const file = identityFileName(describeRef(ref))
    this.#known.delete(file)
    if (this.#read(file)?.uid === uid) removeFile(join(this.#paths.identities, file))
  }

  /** Removes what was left by objects that went away while no process looked. */
  collect(isLive: (file: string) => boolean, olderThanMs: number): void {
    for (const file of this.names()) {
      const path = join(this.#paths.identities, file)
      const modifiedMs = isLive(file) ? undefined : statSync(path, { throwIfNoEntry: false })?.mtimeMs
      if (modifiedMs !== undefined && modifiedMs < olderThanMs) removeFile(path)
    }
  }

  #read(file: string): Identity | undefined {
    const text = readTextIfThere(join(this.#paths.identities, file))
    if (text === undefined) return undefined
    const value: unknown = JSON.parse(text)
    if (!isRecord(value) || typeof value['uid'] !== 'string' || typeof value['createdAt'] !== 'string')
      return undefined
    return { uid: value['uid'], createdAt: value['createdAt'] }
  }

  #make(file: string, nowMs: number): Identity {
    const mine = { uid: randomUUID(), createdAt: `${new Date(nowMs).toISOString().slice(0, 19)}Z` }
    const scratch = join(this.#paths.scratch, randomUUID())
    writeFileSync(scratch, JSON.stringify(mine))
    try {
      linkSync(scratch, join(this.#paths.identities, file))
      return mine
    } catch (cause) {
      if (!hasErrorCode(cause, 'EEXIST')) throw cause
      return this.#read(file) ?? mine
    } finally {
      removeFile(scratch)
    }
  }
}

export function identityFileName(key: string): string {
  return fileNameOf(key.split(/[ /]/))
}
