import { hash } from 'node:crypto'
import type { EntryFiles } from './entry-files.ts'
import type { UnknownRecord } from './field.ts'
import { Field } from './field.ts'
import { identityFileName } from './identity-files.ts'
import type { IdentityFiles } from './identity-files.ts'
import { describeRef, readObject } from './kube-object.ts'
import type { KubeObject, ObjectRef } from './kube-object.ts'
import type { LayerFiles, StoredLayer } from './layer-files.ts'
import { mergeLayers } from './merge-layers.ts'
import type { Layer } from './merge-layers.ts'

export interface TableParts {
  readonly entries: EntryFiles
  readonly layers: LayerFiles
  readonly identities: IdentityFiles
}

/** The objects of one directory as they are now: the user's files under what was written about them. */
export class ObjectTable {
  readonly #parts: TableParts
  readonly #objects = new Map<string, KubeObject>()

  constructor(parts: TableParts) {
    this.#parts = parts
  }

  get(key: string): KubeObject | undefined {
    return this.#objects.get(key)
  }

  objects(): IterableIterator<[string, KubeObject]> {
    return this.#objects.entries()
  }

  /** Works out the named objects anew. @returns Those that came, went or changed. */
  recompute(keys: Iterable<string>, nowMs: number): ReadonlySet<string> {
    const changed = new Set<string>()
    for (const key of keys) {
      const before = this.#objects.get(key)
      const now = this.#assemble(key, nowMs)
      if (now === undefined) this.#remove(key, before)
      else this.#objects.set(key, now)
      if (now?.metadata.resourceVersion !== before?.metadata.resourceVersion) changed.add(key)
    }
    return changed
  }

  /** The object without one layer of it: what that layer's owner finds already there. */
  without(key: string, layer: Pick<Layer, 'part' | 'owner'>): UnknownRecord | undefined {
    const others = this.#layersOf(key, this.#objects.get(key)?.metadata.uid).filter(
      (other) => other.part !== layer.part || other.owner !== layer.owner,
    )
    return mergeLayers(this.#parts.entries.get(key)?.document.value, others)
  }

  /** Removes what was written for objects that vanished while no process looked. */
  collect(olderThanMs: number): void {
    const files = new Set([...this.#objects.keys()].map(identityFileName))
    this.#parts.identities.collect((file) => files.has(file), olderThanMs)
    this.#parts.layers.collect((layer) => {
      const uid = this.#objects.get(describeRef(layer.ref))?.metadata.uid
      return uid !== undefined && isFor(layer, uid)
    }, olderThanMs)
  }

  #assemble(key: string, nowMs: number): KubeObject | undefined {
    const base = this.#parts.entries.get(key)?.document
    const ref = base?.ref ?? this.#parts.layers.of(key).find((layer) => layer.part === 'object')?.ref
    if (ref === undefined) return undefined
    const { uid, creationTimestamp } = this.#identify(ref, base?.value, nowMs)
    const merged = mergeLayers(base?.value, this.#layersOf(key, uid))
    if (merged === undefined) return undefined
    return readObject(merged, {
      uid,
      creationTimestamp,
      resourceVersion: hash('sha1', `${uid} ${JSON.stringify(merged)}`),
      generation: generationOf(merged),
    })
  }

  #identify(
    ref: ObjectRef,
    base: UnknownRecord | undefined,
    nowMs: number,
  ): { readonly uid: string; readonly creationTimestamp: string } {
    const metadata = new Field(describeRef(ref), base).get('metadata')
    const uid = metadata.get('uid').text()
    const creationTimestamp = metadata.get('creationTimestamp').text()
    if (uid !== undefined && creationTimestamp !== undefined) return { uid, creationTimestamp }
    const made = this.#parts.identities.ensure(ref, nowMs)
    return { uid: uid ?? made.uid, creationTimestamp: creationTimestamp ?? made.createdAt }
  }

  #layersOf(key: string, uid: string | undefined): readonly StoredLayer[] {
    return this.#parts.layers.of(key).filter((layer) => uid === undefined || isFor(layer, uid))
  }

  #remove(key: string, gone: KubeObject | undefined): void {
    if (gone === undefined) return
    this.#objects.delete(key)
    const { namespace, name, uid } = gone.metadata
    this.#parts.identities.forget(
      { kind: gone.kind, name, ...(namespace === undefined ? {} : { namespace }) },
      uid,
    )
    for (const layer of this.#parts.layers.of(key)) if (isFor(layer, uid)) this.#parts.layers.remove(layer)
  }
}

function isFor(layer: StoredLayer, uid: string): boolean {
  return layer.part === 'object' || layer.uid === uid
}

/** Stands in for the API server's counter: the same in every process, without anything to keep. */
function generationOf(merged: UnknownRecord): number {
  const { metadata: _metadata, status: _status, ...rest } = merged
  return Number.parseInt(hash('sha1', JSON.stringify(rest)).slice(0, 7), 16) + 1
}
