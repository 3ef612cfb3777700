import { statSync } from 'node:fs'
import { errorText, type Clock } from '@ambient/lifecycle'
import { EntryFiles } from './entry-files.ts'
import type { FileProblem } from './entry-files.ts'
import { takeFileLease } from './file-lease.ts'
import { makeWrittenPaths, writtenPaths } from './file-io.ts'
import { FileWriter } from './file-writer.ts'
import { IdentityFiles } from './identity-files.ts'
import { KubeError } from './kube-error.ts'
import type { KubeObject, ObjectRef } from './kube-object.ts'
import { LayerFiles } from './layer-files.ts'
import { KUBE_LIMITS } from './limits.ts'
import { ObjectChanges } from './object-changes.ts'
import { ObjectTable } from './object-table.ts'
import type { KindName } from './resource-kinds.ts'
import { matchesOptions } from './resource-source.ts'
import type {
  LeaseAnswer,
  LeaseRequest,
  ListOptions,
  Manifest,
  ResourceSource,
  ResourceWriter,
  WatchEvent,
  WriteOptions,
} from './resource-source.ts'
import { WatchedDirectory } from './watched-directory.ts'

export interface FileResourcesOptions {
  readonly directory: string
  readonly clock: Clock
  /** Called once for each thing wrong with the user's files. */
  readonly report: (problem: FileProblem) => void
  /** How often to look at everything, in case the kernel told nothing. Default `KUBE_LIMITS.pollMs`. */
  readonly pollMs?: number
}

/** Names of files to be read at the next flush. */
interface Noted {
  readonly entries: Set<string>
  readonly layers: Set<string>
  readonly identities: Set<string>
  timer: NodeJS.Timeout | undefined
  /** False after a failure: what is in memory may lack changes. */
  isComplete: boolean
}

const FLUSH_MS = 2
const UNSETTLED_RETRY_MS = 5
/** A poll may take this part of the time at most. */
const POLL_SHARE = 0.05

/**
 * A directory of ordinary Kubernetes YAML as a source and a writer of objects. The user's files are never edited; what
 * is written lies in `.ambient/` beside them. Safe for many processes on one directory.
 */
export class FileResources implements ResourceSource, ResourceWriter, AsyncDisposable {
  readonly #options: FileResourcesOptions
  readonly #parts: {
    readonly entries: EntryFiles
    readonly layers: LayerFiles
    readonly identities: IdentityFiles
  }
  readonly #table: ObjectTable
  readonly #writer: FileWriter
  readonly #ended = new AbortController()
  readonly #followers = new Map<ObjectChanges, KindName>()
  readonly #noted: Noted = {
    entries: new Set(),
    layers: new Set(),
    identities: new Set(),
    timer: undefined,
    isComplete: true,
  }

  private constructor(options: FileResourcesOptions) {
    const paths = writtenPaths(options.directory)
    this.#options = options
    this.#parts = {
      entries: new EntryFiles(options.directory, options.report),
      layers: new LayerFiles(paths),
      identities: new IdentityFiles(paths),
    }
    this.#table = new ObjectTable(this.#parts)
    this.#writer = new FileWriter({
      paths,
      clock: options.clock,
      layers: this.#parts.layers,
      entries: this.#parts.entries,
      table: this.#table,
      refresh: () => this.#rescan(),
      onWritten: (keys) => this.#recompute(keys),
    })
  }

  /**
   * Reads everything once; files still being written are waited for.
   *
   * @throws {KubeError} `DIRECTORY_UNUSABLE`
   */
  static async open(options: FileResourcesOptions): Promise<FileResources> {
    if (statSync(options.directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new KubeError('DIRECTORY_UNUSABLE', `Cannot read ${options.directory}: it is not a directory`)
    }
    makeWrittenPaths(writtenPaths(options.directory))
    const resources = new FileResources(options)
    const watched = resources.#watchDirectories()
    await resources.#rescan()
    void resources.#pollUntilEnd(watched)
    return resources
  }

  /** What is wrong with the user's files now. */
  get problems(): readonly FileProblem[] {
    return this.#parts.entries.problems
  }

  list(kind: KindName, options: ListOptions = {}): Promise<readonly KubeObject[]> {
    const found = [...this.#table.objects()].map(([, object]) => object)
    return Promise.resolve(found.filter((object) => object.kind === kind && matchesOptions(object, options)))
  }

  async *watch(kind: KindName, signal: AbortSignal, options: ListOptions = {}): AsyncGenerator<WatchEvent> {
    if (signal.aborted || this.#ended.signal.aborted) return
    const initial = [...this.#table.objects()].filter(([, object]) => object.kind === kind)
    const changes = new ObjectChanges(initial.map(([key]) => key))
    const onAbort = (): void => changes.close()
    signal.addEventListener('abort', onAbort)
    this.#followers.set(changes, kind)
    try {
      yield* changes.events((key) => {
        const object = this.#table.get(key)
        return object !== undefined && matchesOptions(object, options) ? object : undefined
      })
    } finally {
      this.#followers.delete(changes)
      signal.removeEventListener('abort', onAbort)
    }
  }

  applyAnnotations(
    ref: ObjectRef,
    annotations: Readonly<Record<string, string | null>>,
    options: WriteOptions,
  ): Promise<void> {
    return this.#writer.applyAnnotations(ref, annotations, options)
  }

  applyLabels(
    ref: ObjectRef,
    labels: Readonly<Record<string, string>>,
    options: WriteOptions,
  ): Promise<void> {
    return this.#writer.applyLabels(ref, labels, options)
  }

  async requestDeletion(ref: ObjectRef, options: WriteOptions): Promise<void> {
    try {
      await this.#writer.requestDeletion(ref, options)
    } catch (cause) {
      if (!(cause instanceof KubeError) || cause.code !== 'OBJECT_NOT_FOUND') throw cause
    }
  }

  applyStatus(
    ref: ObjectRef,
    status: Readonly<Record<string, unknown>>,
    options: WriteOptions,
  ): Promise<void> {
    return this.#writer.applyStatus(ref, status, options)
  }

  apply(object: Manifest, options: WriteOptions): Promise<void> {
    return this.#writer.apply(object, options)
  }

  delete(ref: ObjectRef, options: WriteOptions): Promise<void> {
    return this.#writer.delete(ref, options)
  }

  lease(name: string, request: LeaseRequest): Promise<LeaseAnswer> {
    return takeFileLease(
      { paths: writtenPaths(this.#options.directory), clock: this.#options.clock, name },
      request,
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    clearTimeout(this.#noted.timer)
    for (const changes of this.#followers.keys()) changes.close()
    return Promise.resolve()
  }

  #watchDirectories(): readonly WatchedDirectory[] {
    const { directory } = this.#options
    const paths = writtenPaths(directory)
    const { entries, layers, identities } = this.#parts
    return [
      new WatchedDirectory(
        directory,
        () => entries.names(),
        (name) => this.#note('entries', name),
      ),
      new WatchedDirectory(
        paths.layers,
        () => layers.names(),
        (name) => this.#note('layers', name),
      ),
      new WatchedDirectory(
        paths.identities,
        () => identities.names(),
        (name) => this.#note('identities', name),
      ),
    ]
  }

  #note(part: 'entries' | 'layers' | 'identities', name: string, delayMs = FLUSH_MS): void {
    if (this.#ended.signal.aborted) return
    this.#noted[part].add(name)
    this.#noted.timer ??= setTimeout(() => {
      this.#noted.timer = undefined
      try {
        this.#flush()
      } catch (cause) {
        this.#reportLost(cause)
        this.#noted.isComplete = false // the next poll looks at everything
      }
    }, delayMs)
  }

  /** Reads what was noted and tells the followers. Files still being written are noted again. */
  #flush(): void {
    const { entries, layers, identities } = this.#parts
    const nowMs = this.#options.clock.nowMs()
    const fromEntries = entries.refresh(take(this.#noted.entries), nowMs)
    const fromLayers = layers.refresh(take(this.#noted.layers))
    const fromIdentities = identities.refresh(take(this.#noted.identities))
    this.#recompute(new Set([...fromEntries.objects, ...fromLayers, ...fromIdentities]))
    for (const name of fromEntries.unsettled) this.#note('entries', name, UNSETTLED_RETRY_MS)
  }

  #recompute(keys: ReadonlySet<string>): void {
    const changed = this.#table.recompute(keys, this.#options.clock.nowMs())
    for (const key of changed) {
      for (const [changes, kind] of this.#followers) if (key.startsWith(`${kind} `)) changes.mark(key)
    }
  }

  async #rescan(): Promise<void> {
    for (const name of this.#parts.entries.names()) this.#noted.entries.add(name)
    for (const name of this.#parts.layers.names()) this.#noted.layers.add(name)
    for (const name of this.#parts.identities.names()) this.#noted.identities.add(name)
    this.#flush()
    const until = this.#options.clock.monotonicMs() + 1_000
    while (this.#noted.entries.size > 0 && this.#options.clock.monotonicMs() < until) {
      await this.#options.clock.sleep(UNSETTLED_RETRY_MS)
    }
  }

  async #recover(): Promise<void> {
    await this.#rescan()
    const { entries, layers } = this.#parts
    this.#recompute(
      new Set([...entries.keys(), ...layers.keys(), ...[...this.#table.objects()].map(([key]) => key)]),
    )
    this.#noted.isComplete = true
  }

  async #pollUntilEnd(watched: readonly WatchedDirectory[]): Promise<void> {
    const { clock, pollMs = KUBE_LIMITS.pollMs.value } = this.#options
    const { signal } = this.#ended
    let restMs = 0
    while (!signal.aborted) {
      try {
        const startMs = clock.monotonicMs()
        makeWrittenPaths(writtenPaths(this.#options.directory))
        for (const directory of watched) await directory.poll(signal)
        if (!this.#noted.isComplete) await this.#recover()
        this.#table.collect(clock.nowMs() - KUBE_LIMITS.collectAgeMs.value)
        restMs = Math.max(pollMs, (clock.monotonicMs() - startMs) / POLL_SHARE)
      } catch (cause) {
        this.#reportLost(cause)
      }
      await clock.sleep(restMs, signal).catch(() => {}) // rejects only when it is to end
    }
    for (const directory of watched) directory[Symbol.dispose]()
  }

  #reportLost(cause: unknown): void {
    const { directory } = this.#options
    const reason = errorText(cause)
    this.#options.report({
      file: directory,
      hasLastGood: true,
      message: `Cannot read ${directory}: ${reason}; what was read last stays in force`,
    })
  }
}

function take(names: Set<string>): readonly string[] {
  const taken = [...names]
  names.clear()
  return taken
}
