import { createHash } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isRecord } from './field.ts'
import { readTextIfThere, removeFile, writeAtomically } from './file-io.ts'
import type { WrittenPaths } from './file-io.ts'
import { describeRef } from './kube-object.ts'
import type { ObjectRef } from './kube-object.ts'
import { type Layer, layerParts } from './merge-layers.ts'
import { isKindName } from './resource-kinds.ts'

/** A layer with the incarnation it was written for; whole objects are for any. */
export interface StoredLayer extends Layer {
  readonly uid: string | undefined
}

const MAX_NAME_BYTES = 200

/** Everything written by this mesh about objects of one directory, one file a layer. */
export class LayerFiles {
  readonly #paths: WrittenPaths
  readonly #byFile = new Map<string, StoredLayer>()
  readonly #byObject = new Map<string, Map<string, StoredLayer>>()

  constructor(paths: WrittenPaths) {
    this.#paths = paths
  }

  /** Names of the files there are and of those there were. */
  names(): ReadonlySet<string> {
    return new Set([...readdirSync(this.#paths.layers), ...this.#byFile.keys()])
  }

  keys(): Iterable<string> {
    return this.#byObject.keys()
  }

  of(key: string): readonly StoredLayer[] {
    return [...(this.#byObject.get(key)?.values() ?? [])]
  }

  /** @returns The objects whose layers changed. */
  refresh(names: Iterable<string>): ReadonlySet<string> {
    const changed = new Set<string>()
    for (const name of names) {
      const layer = parseLayer(readTextIfThere(join(this.#paths.layers, name)))
      const before = this.#byFile.get(name)
      if (before !== undefined) this.#unset(name, before, changed)
      if (layer !== undefined) this.#set(name, layer, changed)
    }
    return changed
  }

  /** What the file of such a layer says now, whoever wrote it. */
  read(layer: Pick<Layer, 'part' | 'owner' | 'ref'>): StoredLayer | undefined {
    return parseLayer(readTextIfThere(join(this.#paths.layers, layerFileName(layer))))
  }

  write(layer: StoredLayer): ReadonlySet<string> {
    const name = layerFileName(layer)
    writeAtomically(this.#paths, join(this.#paths.layers, name), JSON.stringify(layer))
    return this.refresh([name])
  }

  remove(layer: Pick<Layer, 'part' | 'owner' | 'ref'>): ReadonlySet<string> {
    const name = layerFileName(layer)
    removeFile(join(this.#paths.layers, name))
    return this.refresh([name])
  }

  /** Removes layers that are for no object there is, unless they are young: then the object may just not be seen yet. */
  collect(isLive: (layer: StoredLayer) => boolean, olderThanMs: number): void {
    for (const [name, layer] of this.#byFile) {
      const path = join(this.#paths.layers, name)
      const modifiedMs = isLive(layer) ? undefined : statSync(path, { throwIfNoEntry: false })?.mtimeMs
      if (modifiedMs !== undefined && modifiedMs < olderThanMs) removeFile(path)
    }
  }

  #set(name: string, layer: StoredLayer, changed: Set<string>): void {
    const key = describeRef(layer.ref)
    this.#byFile.set(name, layer)
    this.#byObject.set(key, (this.#byObject.get(key) ?? new Map<string, StoredLayer>()).set(name, layer))
    changed.add(key)
  }

  #unset(name: string, layer: StoredLayer, changed: Set<string>): void {
    const key = describeRef(layer.ref)
    this.#byFile.delete(name)
    const siblings = this.#byObject.get(key)
    siblings?.delete(name)
    if (siblings?.size === 0) this.#byObject.delete(key)
    changed.add(key)
  }
}

/** `~` is in no name of Kubernetes; too long a name gives way to its hash. */
export function fileNameOf(parts: readonly string[]): string {
  const name = parts.join('~')
  if (name.length <= MAX_NAME_BYTES) return `${name}.json`
  return `${createHash('sha256').update(name).digest('hex')}.json`
}

export function layerFileName(layer: Pick<Layer, 'part' | 'owner' | 'ref'>): string {
  const { kind, namespace, name } = layer.ref
  return fileNameOf([kind, namespace ?? '', name, layer.part, layer.owner.replaceAll('/', '+')])
}

/** Files here are written by this package alone, and atomically: one that does not parse is no layer. */
function parseLayer(text: string | undefined): StoredLayer | undefined {
  const value = parseJson(text)
  if (!isRecord(value) || !isRecord(value['value'])) return undefined
  const ref = parseRef(value['ref'])
  const { owner, uid } = value
  const part = layerParts.find((known) => known === value['part'])
  if (ref === undefined || typeof owner !== 'string' || part === undefined) return undefined
  return { part, owner, ref, value: value['value'], uid: typeof uid === 'string' ? uid : undefined }
}

function parseRef(value: unknown): ObjectRef | undefined {
  if (!isRecord(value)) return undefined
  const { kind, namespace, name } = value
  if (typeof kind !== 'string' || !isKindName(kind) || typeof name !== 'string') return undefined
  return { kind, name, ...(typeof namespace === 'string' ? { namespace } : {}) }
}

function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
