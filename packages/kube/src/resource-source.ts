import type { Field } from './field.ts'
import type { KubeObject, ObjectRef } from './kube-object.ts'
import { fieldsOf } from './kube-object.ts'
import { selectsLabels } from './label-selector.ts'
import type { LabelSelector } from './label-selector.ts'
import type { KindName } from './resource-kinds.ts'

export interface ListOptions {
  readonly namespace?: string
  /** Dotted paths that must equal a text, as the API server's: `{'spec.nodeName': 'node-a'}`. */
  readonly fieldSelector?: Readonly<Record<string, string>>
  readonly labelSelector?: LabelSelector
}

export type WatchEvent =
  | { readonly type: 'added' | 'modified' | 'deleted'; readonly object: KubeObject }
  /** Once: everything there was at the start has been told as `added`. */
  | { readonly type: 'synced' }

export interface ResourceSource {
  list(kind: KindName, options?: ListOptions): Promise<readonly KubeObject[]>
  /**
   * What is there now, then `synced`, then each change until `signal` aborts, where it ends without an error.
   * Level-triggered: a slow reader sees an object's last state, not every one in between; a new incarnation (another
   * uid) is always a `deleted` and an `added`. An object that stops matching `options` is `deleted`.
   */
  watch(kind: KindName, signal: AbortSignal, options?: ListOptions): AsyncIterable<WatchEvent>
}

/** Who writes: fields are kept apart by owner, and one owner's writing never undoes another's. */
export interface WriteOptions {
  /** 1 to 63 of `a-z 0-9 . - /`, such as `istio-ambient-cni`. */
  readonly owner: string
}

export interface ManifestMeta {
  readonly name: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly uid?: string
  readonly ownerReferences?: readonly unknown[]
  readonly generateName?: string
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
}

/** An object as written by hand: no uid or versions needed. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: KindName
  readonly metadata: ManifestMeta
  readonly [field: string]: unknown
}

export interface LeaseRequest {
  readonly holder: string
  /** How long it holds without renewal; 0 gives it up. */
  readonly durationMs: number
}

export type LeaseAnswer =
  | { readonly kind: 'held'; readonly expiresAtMs: number }
  | { readonly kind: 'taken'; readonly holder: string; readonly expiresAtMs: number }
  | { readonly kind: 'released' }

/**
 * Every write is atomic and is seen by this process's own `list` when the promise resolves.
 * All throw {KubeError}: `OBJECT_NOT_FOUND` (no such object), `OBJECT_REPLACED` (`ref.uid` is another incarnation).
 */
export interface ResourceWriter {
  /** Changes the named annotations only; null takes one away, whoever set it. */
  applyAnnotations(
    ref: ObjectRef,
    annotations: Readonly<Record<string, string | null>>,
    options: WriteOptions,
  ): Promise<void>
  /** Changes the named labels only, of that incarnation; they go with it. */
  applyLabels(
    ref: ObjectRef & { readonly uid: string },
    labels: Readonly<Record<string, string>>,
    options: WriteOptions,
  ): Promise<void>
  /** Asks for an object to be deleted, whoever made it, as a user would; only that incarnation. One that is gone is no error. */
  requestDeletion(ref: ObjectRef & { readonly uid: string }, options: WriteOptions): Promise<void>
  /** `status` is all this owner says about the status; it replaces what the owner said before. Empty takes that away. */
  applyStatus(ref: ObjectRef, status: Readonly<Record<string, unknown>>, options: WriteOptions): Promise<void>
  /** Creates the object, or replaces what this owner said about it before. Maps are merged, lists replaced. */
  apply(object: Manifest, options: WriteOptions): Promise<void>
  /** Deletes an object that this owner applied; one that is already gone is no error. @throws `OBJECT_NOT_OWNED` */
  delete(ref: ObjectRef, options: WriteOptions): Promise<void>
  /** Takes or renews the lease `name`, or says who has it. Callers renew well before it expires. */
  lease(name: string, request: LeaseRequest): Promise<LeaseAnswer>
}

/** Whether `object` is among what `options` asks for. */
export function matchesOptions(object: KubeObject, options: ListOptions): boolean {
  if (options.namespace !== undefined && object.metadata.namespace !== options.namespace) return false
  if (options.labelSelector !== undefined && !selectsLabels(options.labelSelector, object.metadata.labels))
    return false
  return Object.entries(options.fieldSelector ?? {}).every(
    ([path, wanted]) => textAt(object, path) === wanted,
  )
}

function textAt(object: KubeObject, path: string): string | undefined {
  const field = path.split('.').reduce((at: Field, name) => at.get(name), fieldsOf(object))
  return typeof field.value === 'string' ? field.value : undefined
}
