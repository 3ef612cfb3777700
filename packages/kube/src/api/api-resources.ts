import type { Clock, Random } from '@ambient/lifecycle'
import { Field } from '../field.ts'
import { KubeError } from '../kube-error.ts'
import { KUBE_LIMITS } from '../limits.ts'
import { describeRef, type KubeObject, type ObjectRef, type OwnerReference } from '../kube-object.ts'
import { ObjectChanges } from '../object-changes.ts'
import { apiVersionOf, type KindName } from '../resource-kinds.ts'
import type {
  LeaseAnswer,
  LeaseRequest,
  ListOptions,
  Manifest,
  ResourceSource,
  ResourceWriter,
  WatchEvent,
  WriteOptions,
} from '../resource-source.ts'
import type { ApiAccess } from './api-access.ts'
import { ApiClient, ApiError, type ApiRequest } from './api-client.ts'
import { ApiLeases } from './api-lease.ts'
import { collectionPath, objectPath } from './api-paths.ts'
import { listObjects } from './list-objects.ts'
import { KindReflector } from './reflect-kind.ts'

export interface ApiResourcesOptions {
  readonly access: ApiAccess
  readonly clock: Clock
  readonly random: Random
  readonly userAgent: string
  /** Where leases are kept. */
  readonly namespace: string
  /** What leases that are made here belong to, and go with. Default nothing. */
  readonly owners?: () => Promise<readonly OwnerReference[]>
  /** How long a watch may be silent. Default `KUBE_LIMITS.watchSilenceMs`. */
  readonly silenceMs?: number
  /** Told in words of what goes wrong while watching. */
  readonly report: (message: string) => void
}

/** A cluster's API server as a source of objects and a place to write them. */
export class ApiResources implements ResourceSource, ResourceWriter, AsyncDisposable {
  readonly #options: ApiResourcesOptions
  readonly #client: ApiClient
  readonly #leases: ApiLeases

  constructor(options: ApiResourcesOptions) {
    const { access, clock, random, userAgent, namespace, owners = noOwners } = options
    this.#options = options
    this.#client = new ApiClient({ access, clock, random, userAgent })
    this.#leases = new ApiLeases({ client: this.#client, clock, namespace, owners })
  }

  async list(kind: KindName, options: ListOptions = {}): Promise<readonly KubeObject[]> {
    return (await listObjects(this.#client, kind, options)).objects
  }

  async *watch(kind: KindName, signal: AbortSignal, options: ListOptions = {}): AsyncGenerator<WatchEvent> {
    const { clock, random, report, silenceMs = KUBE_LIMITS.watchSilenceMs.value } = this.#options
    const ended = new AbortController()
    const onAbort = (): void => ended.abort(signal.reason)
    if (signal.aborted) return
    signal.addEventListener('abort', onAbort)
    const synced = Promise.withResolvers<void>()
    const changes: { told?: ObjectChanges } = {}
    const reflector = new KindReflector({
      client: this.#client,
      clock,
      random,
      kind,
      options,
      silenceMs,
      report,
      onChange: (keys) => {
        for (const key of keys) changes.told?.mark(key)
      },
      onSynced: synced.resolve,
    })
    const running = reflector.run(ended.signal)
    try {
      await Promise.race([synced.promise, running])
      if (ended.signal.aborted) return
      const told = new ObjectChanges(reflector.objects.keys())
      changes.told = told
      ended.signal.addEventListener('abort', () => told.close(), { once: true })
      yield* told.events((key) => reflector.objects.get(key))
    } finally {
      signal.removeEventListener('abort', onAbort)
      ended.abort()
      await running
    }
  }

  applyAnnotations(
    ref: ObjectRef,
    annotations: Readonly<Record<string, string | null>>,
    options: WriteOptions,
  ): Promise<void> {
    return this.#patchMetadata(ref, { annotations }, options)
  }

  applyLabels(
    ref: ObjectRef,
    labels: Readonly<Record<string, string>>,
    options: WriteOptions,
  ): Promise<void> {
    return this.#patchMetadata(ref, { labels }, options)
  }

  async requestDeletion(ref: ObjectRef & { readonly uid: string }): Promise<void> {
    try {
      await this.#write(ref, deletion(ref, ref.uid))
    } catch (cause) {
      if (!(cause instanceof KubeError) || cause.code !== 'OBJECT_NOT_FOUND') throw cause
    }
  }

  async applyStatus(
    ref: ObjectRef,
    status: Readonly<Record<string, unknown>>,
    { owner }: WriteOptions,
  ): Promise<void> {
    // An apply would create what is not there; an owner that says nothing any more must not.
    if (ref.uid === undefined) await this.#client.send({ method: 'GET', path: objectPath(ref) })
    await this.#write(ref, applied(ref, objectPath(ref, 'status'), { ...identity(ref), status }, owner))
  }

  async apply(object: Manifest, { owner }: WriteOptions): Promise<void> {
    const { name, namespace, uid } = object.metadata
    const ref = {
      kind: object.kind,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
    }
    await this.#write(ref, applied(ref, objectPath(ref), object, owner))
  }

  async delete(ref: ObjectRef, { owner }: WriteOptions): Promise<void> {
    try {
      const metadata = new Field(
        describeRef(ref),
        await this.#client.send({ method: 'GET', path: objectPath(ref) }),
      ).get('metadata')
      const isOwn = metadata
        .get('managedFields')
        .list()
        .some((entry) => entry.get('manager').text() === owner && entry.get('operation').text() === 'Apply')
      if (!isOwn)
        throw new KubeError(
          'OBJECT_NOT_OWNED',
          `Cannot delete ${describeRef(ref)}: ${owner} has not applied it`,
        )
      const uid = ref.uid ?? metadata.get('uid').requiredText()
      await this.#write(ref, deletion(ref, uid))
    } catch (cause) {
      if (!(cause instanceof KubeError) || cause.code !== 'OBJECT_NOT_FOUND') throw cause
    }
  }

  lease(name: string, request: LeaseRequest): Promise<LeaseAnswer> {
    return this.#leases.take(name, request)
  }

  /** Whether the API server has this kind at all. */
  async has(kind: KindName): Promise<boolean> {
    try {
      await this.#client.send({ method: 'GET', path: collectionPath(kind), query: { limit: '1' } })
      return true
    } catch (cause) {
      if (cause instanceof ApiError && cause.code === 'OBJECT_NOT_FOUND') return false
      throw cause
    }
  }

  /** Of an object that is none of the table's, such as a Secret. @returns undefined when there is none. @throws {ApiError} */
  async read(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    try {
      return await this.#client.send({ method: 'GET', path })
    } catch (cause) {
      if (cause instanceof ApiError && cause.code === 'OBJECT_NOT_FOUND') return undefined
      throw cause
    }
  }

  /** Makes an object that is none of the table's, or asks a question that is one, such as a TokenReview. @throws {ApiError} */
  create(path: string, body: unknown): Promise<Readonly<Record<string, unknown>>> {
    return this.#client.send({ method: 'POST', path, body })
  }

  /** Replaces an object whose `metadata.resourceVersion` is in `body`. @throws {ApiError} `API_CONFLICT` if it has changed */
  replace(path: string, body: unknown): Promise<Readonly<Record<string, unknown>>> {
    return this.#client.send({ method: 'PUT', path, body })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
  }

  /** A pod's metadata may be written through its status, which needs far less of a permission than the pod does. */
  async #patchMetadata(ref: ObjectRef, metadata: object, { owner }: WriteOptions): Promise<void> {
    await this.#write(ref, {
      method: 'PATCH',
      path: objectPath(ref, ref.kind === 'Pod' ? 'status' : undefined),
      query: { fieldManager: owner },
      body: { metadata: { ...uidOf(ref), ...metadata } },
      contentType: 'application/merge-patch+json',
    })
  }

  async #write(ref: ObjectRef, request: ApiRequest): Promise<void> {
    try {
      await this.#client.send(request)
    } catch (cause) {
      // Conflicts are about the uid alone: an apply is forced, and a merge patch names no version.
      if (cause instanceof ApiError && ref.uid !== undefined && isAboutUid(cause))
        throw new KubeError('OBJECT_REPLACED', `Cannot write ${describeRef(ref)}: ${cause.message}`, {
          cause,
        })
      throw cause
    }
  }
}

function noOwners(): Promise<readonly OwnerReference[]> {
  return Promise.resolve([])
}

/** Whether another incarnation was met: by a precondition, or by an attempt to change its uid. */
function isAboutUid({ code, message }: ApiError): boolean {
  return code === 'API_CONFLICT' || (code === 'OBJECT_INVALID' && message.includes('metadata.uid'))
}

/** A server-side apply, which takes fields over from whoever had them. */
function applied(ref: ObjectRef, path: string, body: object, owner: string): ApiRequest {
  return {
    method: 'PATCH',
    path,
    query: { fieldManager: owner, force: 'true' },
    body: { apiVersion: apiVersionOf(ref.kind), kind: ref.kind, ...body },
    contentType: 'application/apply-patch+yaml',
  }
}

function deletion(ref: ObjectRef, uid: string): ApiRequest {
  const options = { preconditions: { uid }, propagationPolicy: 'Background' }
  const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...options }
  return { method: 'DELETE', path: objectPath(ref), body }
}

function identity(ref: ObjectRef): { readonly metadata: Readonly<Record<string, string>> } {
  return {
    metadata: {
      name: ref.name,
      ...(ref.namespace === undefined ? {} : { namespace: ref.namespace }),
      ...uidOf(ref),
    },
  }
}

function uidOf(ref: ObjectRef): { readonly uid?: string } {
  return ref.uid === undefined ? {} : { uid: ref.uid }
}
