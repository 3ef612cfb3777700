import { errorText, Backoff, type Clock, type Random } from '@ambient/lifecycle'
import { type KubeObject, objectKey } from '../kube-object.ts'
import { isRecord, type UnknownRecord } from '../field.ts'
import { KubeError } from '../kube-error.ts'
import { KUBE_LIMITS } from '../limits.ts'
import type { KindName } from '../resource-kinds.ts'
import type { ListOptions } from '../resource-source.ts'
import { type ApiClient, ApiError, metadataOf, parseObject } from './api-client.ts'
import { collectionPath, selectorQuery } from './api-paths.ts'
import { listObjects, readItem } from './list-objects.ts'
import { watchLines } from './watch-lines.ts'

export interface ReflectDeps {
  readonly client: ApiClient
  readonly clock: Clock
  readonly random: Random
  readonly kind: KindName
  readonly options: ListOptions
  readonly silenceMs: number
  /** Told in words, once for each failure in a row. */
  readonly report: (message: string) => void
  /** Told of the keys that changed, after `objects` has them. */
  readonly onChange: (keys: Iterable<string>) => void
  /** Told once, when everything that was there is known; a kind that the API server does not have is empty. */
  readonly onSynced: () => void
}

const BACKOFF = { firstMs: 200, factor: 2, maxMs: 30_000, jitter: 0.5 } as const
/** Watches of all parts must not end together. */
const SPREAD = 0.5

/**
 * Keeps a map equal to what the API server has of one kind: a list, then a watch from there, opened again when it
 * ends, listed again when the server has forgotten where we were. What is known stays while it cannot be reached.
 *
 * @see Kubernetes API concepts: efficient detection of changes, watch bookmarks
 */
export class KindReflector {
  readonly objects: Map<string, KubeObject> = new Map()
  readonly #deps: ReflectDeps
  readonly #backoff: Backoff
  #resourceVersion: string | undefined
  #isSynced = false
  #lastFailure = ''

  constructor(deps: ReflectDeps) {
    this.#deps = deps
    this.#backoff = new Backoff(BACKOFF, deps.random)
  }

  /** Runs until `signal` aborts; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#list(signal)
        else await this.#watch(this.#resourceVersion, signal)
      } catch (cause) {
        if (signal.aborted) return
        await this.#recover(cause, signal).catch(() => {}) // its sleep rejects only when it is to end
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, kind, options, onChange } = this.#deps
    const { objects, resourceVersion } = await listObjects(client, kind, options, signal)
    const changed = new Set(this.objects.keys())
    const now = new Map(objects.map((object) => [objectKey(object.metadata), object]))
    for (const [key, object] of now) {
      if (this.objects.get(key)?.metadata.resourceVersion === object.metadata.resourceVersion)
        changed.delete(key)
      else changed.add(key)
      this.objects.set(key, object)
    }
    for (const key of this.objects.keys()) if (!now.has(key)) this.objects.delete(key)
    this.#resourceVersion = resourceVersion
    this.#succeeded()
    onChange(changed)
    this.#synced()
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { client, kind, options, random } = this.#deps
    const watchMs = KUBE_LIMITS.watchMs.value * (1 + SPREAD * random.float())
    const path = collectionPath(kind, options.namespace)
    const query = {
      ...selectorQuery(options),
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(Math.ceil(watchMs / 1000)),
    }
    using silence = new SilenceGuard(signal, this.#deps.silenceMs)
    try {
      const chunks = await client.stream({ method: 'GET', path, query }, silence.signal)
      for await (const line of watchLines(chunks, KUBE_LIMITS.watchLineBytes.value)) {
        silence.heard()
        if (line !== '') this.#take(line)
      }
    } catch (cause) {
      // A silent watch is opened again from where it was: nothing is known to be wrong but the connection.
      if (!silence.isOver || signal.aborted) throw cause
      this.#deps.report(`watch of ${kind} was silent for ${this.#deps.silenceMs} ms and is opened again`)
    }
  }

  #take(line: string): void {
    const event = parseObject(line)
    const object = event?.['object']
    if (event === undefined || !isRecord(object)) throw new Error(`no watch event: ${line.slice(0, 200)}`)
    if (event['type'] === 'ERROR') throw watchError(object)
    const version = metadataOf(object).get('resourceVersion').requiredText()
    if (event['type'] !== 'BOOKMARK') this.#change(String(event['type']), object)
    this.#resourceVersion = version
    this.#succeeded()
  }

  #change(type: string, raw: UnknownRecord): void {
    const object = readItem(raw, this.#deps.kind)
    const key = objectKey(object.metadata)
    if (type === 'DELETED') this.objects.delete(key)
    else this.objects.set(key, object)
    this.#deps.onChange([key])
  }

  async #recover(cause: unknown, signal: AbortSignal): Promise<void> {
    const { clock, kind, report } = this.#deps
    if (cause instanceof KubeError && cause.code === 'API_EXPIRED') {
      this.#resourceVersion = undefined
      return clock.sleep(this.#backoff.nextMs(), signal)
    }
    if (cause instanceof ApiError && cause.code === 'OBJECT_NOT_FOUND') {
      this.#absent()
      return clock.sleep(KUBE_LIMITS.absentKindMs.value, signal)
    }
    // Anything unreadable would be met again from the same place.
    if (!(cause instanceof ApiError)) this.#resourceVersion = undefined
    const reason = errorText(cause)
    if (reason !== this.#lastFailure) report(`${kind}: ${reason}; what was read last stays in force`)
    this.#lastFailure = reason
    return clock.sleep(this.#backoff.nextMs(), signal)
  }

  /** The API server has no such kind, or no longer: its CRD may come later. */
  #absent(): void {
    const keys = [...this.objects.keys()]
    this.objects.clear()
    this.#resourceVersion = undefined
    this.#deps.onChange(keys)
    this.#synced()
  }

  #synced(): void {
    if (this.#isSynced) return
    this.#isSynced = true
    this.#deps.onSynced()
  }

  #succeeded(): void {
    this.#backoff.reset()
    this.#lastFailure = ''
  }
}

function watchError(status: UnknownRecord): ApiError {
  const { code, reason, message } = status
  const isExpired = code === 410 || reason === 'Expired' || reason === 'Gone'
  return new ApiError(isExpired ? 'API_EXPIRED' : 'API_UNAVAILABLE', `the watch ended: ${String(message)}`, {
    status: typeof code === 'number' ? code : 0,
    reason: typeof reason === 'string' ? reason : '',
  })
}

/** Aborts its signal when nothing was heard for too long, and when its parent does. */
class SilenceGuard implements Disposable {
  readonly #controller = new AbortController()
  readonly #parent: AbortSignal
  readonly #onAbort: () => void
  readonly #timer: NodeJS.Timeout
  isOver = false

  constructor(parent: AbortSignal, silenceMs: number) {
    this.#parent = parent
    this.#onAbort = (): void => this.#controller.abort(parent.reason)
    if (parent.aborted) this.#onAbort()
    parent.addEventListener('abort', this.#onAbort)
    this.#timer = setTimeout(() => {
      this.isOver = true
      this.#controller.abort(new Error('silent'))
    }, silenceMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  heard(): void {
    this.#timer.refresh()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#parent.removeEventListener('abort', this.#onAbort)
    this.#controller.abort(new Error('over'))
  }
}
