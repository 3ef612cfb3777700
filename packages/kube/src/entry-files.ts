import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errorText } from '@ambient/lifecycle'
import { hasErrorCode, readTextIfThere } from './file-io.ts'
import { describeRef } from './kube-object.ts'
import { KUBE_LIMITS } from './limits.ts'
import { describeDocument, readManifests } from './manifest-documents.ts'
import type { DocumentCache, ManifestDocument } from './manifest-documents.ts'

export interface FileProblem {
  readonly file: string
  readonly message: string
  /** Whether an earlier, good content of the file stays in force meanwhile. */
  readonly hasLastGood: boolean
}

export interface EntryChanges {
  /** Objects whose document may have changed, as `describeRef` names them. */
  readonly objects: ReadonlySet<string>
  /** Files still being written: to be looked at again shortly. */
  readonly unsettled: ReadonlySet<string>
}

interface EntryFile {
  readonly stamp: string
  /** Undefined until the file has once been read whole. */
  readonly good:
    | { readonly documents: readonly ManifestDocument[]; readonly cache: DocumentCache }
    | undefined
}

/** The user's files of one directory, read only. Of an object in several files, the first in name order counts. */
export class EntryFiles {
  readonly #directory: string
  readonly #report: (problem: FileProblem) => void
  readonly #files = new Map<string, EntryFile>()
  readonly #holders = new Map<string, Map<string, ManifestDocument>>()
  readonly #problems = new Map<string, FileProblem>()

  constructor(directory: string, report: (problem: FileProblem) => void) {
    this.#directory = directory
    this.#report = report
  }

  get problems(): readonly FileProblem[] {
    return [...this.#problems.values()]
  }

  keys(): Iterable<string> {
    return this.#holders.keys()
  }

  /** The document in force for an object, and its file. */
  get(key: string): { readonly document: ManifestDocument; readonly file: string } | undefined {
    const holders = this.#holders.get(key)
    const file = holders === undefined ? undefined : [...holders.keys()].toSorted()[0]
    const document = file === undefined ? undefined : holders?.get(file)
    return file === undefined || document === undefined ? undefined : { document, file }
  }

  /** Names of the files there are and of those there were. @throws when the directory cannot be read. */
  names(): ReadonlySet<string> {
    return new Set([...readdirSync(this.#directory).filter(isEntryName), ...this.#files.keys()])
  }

  /** Whether the file differs from what was read of it. */
  hasChanged(name: string): boolean {
    return this.#stampOf(name)?.stamp !== this.#files.get(name)?.stamp
  }

  refresh(names: Iterable<string>, nowMs: number): EntryChanges {
    const objects = new Set<string>()
    const unsettled = new Set<string>()
    for (const name of names) {
      if (!isEntryName(name) || !this.hasChanged(name)) continue
      const found = this.#stampOf(name)
      const ageMs = nowMs - (found?.modifiedMs ?? 0)
      // Touched just now, it may be half written: editors and shells write in place.
      if (ageMs >= 0 && ageMs < KUBE_LIMITS.settleMs.value) unsettled.add(name)
      else this.#read(name, found?.stamp, objects)
    }
    for (const key of objects) this.#checkDuplicates(key)
    return { objects, unsettled }
  }

  #stampOf(name: string): { readonly stamp: string; readonly modifiedMs: number } | undefined {
    try {
      const stat = statSync(join(this.#directory, name))
      if (!stat.isFile()) return undefined
      return { stamp: `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`, modifiedMs: stat.mtimeMs }
    } catch (cause) {
      if (hasErrorCode(cause, 'ENOENT')) return undefined
      throw cause
    }
  }

  #read(name: string, stamp: string | undefined, changed: Set<string>): void {
    const before = this.#files.get(name)?.good
    try {
      const text = stamp === undefined ? undefined : readTextIfThere(join(this.#directory, name))
      const good =
        text === undefined ? { documents: [], cache: new Map() } : readManifests(text, before?.cache)
      this.#setProblem(name, undefined)
      this.#replace(name, before?.documents ?? [], good.documents, changed)
      if (text === undefined || stamp === undefined) this.#files.delete(name)
      else this.#files.set(name, { stamp, good })
    } catch (cause) {
      this.#files.set(name, { stamp: stamp ?? '', good: before })
      this.#setProblem(name, describeFailure(name, cause, before !== undefined))
    }
  }

  #replace(
    name: string,
    before: readonly ManifestDocument[],
    now: readonly ManifestDocument[],
    changed: Set<string>,
  ): void {
    const previous = new Map(before.map((document) => [describeRef(document.ref), document.value]))
    const seen = new Map<string, ManifestDocument>()
    for (const document of now) {
      const key = describeRef(document.ref)
      const first = seen.get(key)
      if (first !== undefined) {
        this.#setProblem(
          name,
          duplicate(describeDocument(document, name), describeDocument(first, name), name),
        )
        continue
      }
      seen.set(key, document)
      if (previous.get(key) !== document.value) changed.add(key)
      const holders = this.#holders.get(key) ?? new Map<string, ManifestDocument>()
      this.#holders.set(key, holders.set(name, document))
    }
    for (const key of previous.keys()) if (!seen.has(key)) this.#drop(key, name, changed)
  }

  #drop(key: string, name: string, changed: Set<string>): void {
    const holders = this.#holders.get(key)
    holders?.delete(name)
    if (holders?.size === 0) this.#holders.delete(key)
    changed.add(key)
  }

  #checkDuplicates(key: string): void {
    const holders = [...(this.#holders.get(key) ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1))
    const [first, second] = holders
    if (first === undefined || second === undefined) return this.#setProblem(key, undefined)
    const [file, document] = second
    this.#setProblem(
      key,
      duplicate(describeDocument(document, file), describeDocument(first[1], first[0]), file),
    )
  }

  /** Says a problem once, until it is another or has gone and come back. */
  #setProblem(about: string, problem: FileProblem | undefined): void {
    if (problem === undefined) this.#problems.delete(about)
    else if (this.#problems.get(about)?.message !== problem.message) {
      this.#problems.set(about, problem)
      this.#report(problem)
    }
  }
}

function isEntryName(name: string): boolean {
  return /^[^.#].*\.(ya?ml|json)$/.test(name)
}

function describeFailure(file: string, cause: unknown, hasLastGood: boolean): FileProblem {
  const reason = errorText(cause)
  const inForce = hasLastGood ? 'its last good content stays in force' : 'nothing of it is in force'
  return {
    file,
    hasLastGood,
    message: `Cannot read ${file}: ${reason}; ${inForce} until the file is corrected`,
  }
}

function duplicate(ignored: string, used: string, file: string): FileProblem {
  return {
    file,
    hasLastGood: true,
    message: `Ignored ${ignored}: it is already given by ${used}; remove one of the two`,
  }
}
