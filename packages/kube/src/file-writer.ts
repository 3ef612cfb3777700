import { hash } from 'node:crypto'
import type { Clock } from '@ambient/lifecycle'
import type { EntryFiles } from './entry-files.ts'
import { Field } from './field.ts'
import type { UnknownRecord } from './field.ts'
import { withFileLock } from './file-io.ts'
import type { WrittenPaths } from './file-io.ts'
import { KubeError } from './kube-error.ts'
import { describeRef, readObject, readRef } from './kube-object.ts'
import type { KubeObject, ObjectRef } from './kube-object.ts'
import { layerFileName } from './layer-files.ts'
import type { LayerFiles } from './layer-files.ts'
import type { Layer } from './merge-layers.ts'
import type { ObjectTable } from './object-table.ts'
import type { Manifest, WriteOptions } from './resource-source.ts'

export interface FileWriterDeps {
  readonly paths: WrittenPaths
  readonly clock: Clock
  readonly layers: LayerFiles
  readonly entries: EntryFiles
  readonly table: ObjectTable
  /** Looks at everything again: an object may be newer than the last look. */
  readonly refresh: () => Promise<void>
  readonly onWritten: (objects: ReadonlySet<string>) => void
}

type LayerRef = Pick<Layer, 'part' | 'owner' | 'ref'>

/** Writes layers over the objects of a directory. */
export class FileWriter {
  readonly #deps: FileWriterDeps

  constructor(deps: FileWriterDeps) {
    this.#deps = deps
  }

  async applyAnnotations(
    ref: ObjectRef,
    annotations: Readonly<Record<string, string | null>>,
    options: WriteOptions,
  ): Promise<void> {
    const { uid } = (await this.#find(ref)).metadata
    const layer = layerRef('annotations', ref, options)
    await this.#change(layer, () => {
      const mine = this.#deps.layers.read(layer)
      const below = new Field(describeRef(ref), this.#deps.table.without(describeRef(ref), layer))
      const others = below.get('metadata').get('annotations').textMap()
      const wanted = Object.entries({ ...(mine?.uid === uid ? mine.value : {}), ...annotations })
      const value = Object.fromEntries(
        wanted.filter(([name, text]) => text !== null || Object.hasOwn(others, name)),
      )
      if (Object.keys(value).length === 0) return this.#deps.layers.remove(layer)
      return this.#deps.layers.write({ ...layer, value, uid })
    })
  }

  async applyLabels(ref: ObjectRef, labels: UnknownRecord, options: WriteOptions): Promise<void> {
    const { uid } = (await this.#find(ref)).metadata
    const layer = layerRef('labels', ref, options)
    await this.#change(layer, () => {
      const mine = this.#deps.layers.read(layer)
      const value = { ...(mine?.uid === uid ? mine.value : {}), ...labels }
      return this.#deps.layers.write({ ...layer, value, uid })
    })
  }

  /** The object stays where its user wrote it, and says that it is to go: who runs it takes it away. */
  async requestDeletion(ref: ObjectRef, options: WriteOptions): Promise<void> {
    const object = await this.#find(ref)
    const { uid, deletionTimestamp } = object.metadata
    if (deletionTimestamp !== undefined) return
    const layer = layerRef('deletion', ref, options)
    const value = { deletionTimestamp: new Date(this.#deps.clock.nowMs()).toISOString() }
    await this.#change(layer, () => this.#deps.layers.write({ ...layer, value, uid }))
  }

  async applyStatus(ref: ObjectRef, status: UnknownRecord, options: WriteOptions): Promise<void> {
    const { uid } = (await this.#find(ref)).metadata
    const layer = layerRef('status', ref, options)
    await this.#change(layer, () =>
      Object.keys(status).length === 0
        ? this.#deps.layers.remove(layer)
        : this.#deps.layers.write({ ...layer, value: status, uid }),
    )
  }

  async apply(object: Manifest, options: WriteOptions): Promise<void> {
    const ref = readRef(object)
    if (ref === undefined) {
      throw new KubeError(
        'OBJECT_INVALID',
        `Cannot apply ${object.kind}: ${object.apiVersion} has no such kind`,
      )
    }
    readObject(object, { uid: '-', creationTimestamp: '-', resourceVersion: '-', generation: 0 })
    const layer = layerRef('object', ref, options)
    await this.#change(layer, () => this.#deps.layers.write({ ...layer, value: object, uid: undefined }))
  }

  async delete(ref: ObjectRef, options: WriteOptions): Promise<void> {
    const object = this.#deps.table.get(describeRef(ref))
    if (object === undefined) return
    checkIncarnation(object, ref)
    const layer = layerRef('object', ref, options)
    if (this.#deps.layers.read(layer) === undefined) {
      throw new KubeError(
        'OBJECT_NOT_OWNED',
        `Cannot delete ${describeRef(ref)}: "${options.owner}" did not apply it`,
      )
    }
    const entry = this.#deps.entries.get(describeRef(ref))
    if (entry !== undefined) {
      throw new KubeError(
        'OBJECT_NOT_OWNED',
        `Cannot delete ${describeRef(ref)}: it is given by ${entry.file}, delete it there`,
      )
    }
    await this.#change(layer, () => {
      for (const any of this.#deps.layers.of(describeRef(ref))) this.#deps.layers.remove(any)
      return new Set([describeRef(ref)])
    })
  }

  async #find(ref: ObjectRef): Promise<KubeObject> {
    if (this.#deps.table.get(describeRef(ref)) === undefined) await this.#deps.refresh()
    const object = this.#deps.table.get(describeRef(ref))
    if (object === undefined)
      throw new KubeError('OBJECT_NOT_FOUND', `Cannot write to ${describeRef(ref)}: there is none`)
    checkIncarnation(object, ref)
    return object
  }

  /** One writer at a time a layer, so that what two processes of one owner add does not get lost. */
  async #change(layer: LayerRef, write: () => ReadonlySet<string>): Promise<void> {
    const name = hash('sha1', layerFileName(layer))
    this.#deps.onWritten(
      await withFileLock({ paths: this.#deps.paths, name, clock: this.#deps.clock }, write),
    )
  }
}

function layerRef(part: Layer['part'], ref: ObjectRef, { owner }: WriteOptions): LayerRef {
  if (!/^[a-z0-9./-]{1,63}$/.test(owner)) {
    throw new KubeError(
      'OBJECT_INVALID',
      `Cannot write to ${describeRef(ref)}: owner must be 1 to 63 of a-z 0-9 . - /: "${owner}"`,
    )
  }
  const { uid: _uid, ...target } = ref
  return { part, owner, ref: target }
}

function checkIncarnation(object: KubeObject, ref: ObjectRef): void {
  if (ref.uid === undefined || ref.uid === object.metadata.uid) return
  throw new KubeError(
    'OBJECT_REPLACED',
    `Cannot write to ${describeRef(ref)}: ${ref.uid} is gone, ${object.metadata.uid} has its name`,
  )
}
