import { readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeRef, isRecord, kindOf, resourceKinds } from '@ambient/kube'
import type { ObjectRef, UnknownRecord } from '@ambient/kube'
import { parseAllDocuments, stringify } from 'yaml'
import { clusterIp, MAX_NODES } from './lab-addresses.ts'
import { LabError } from './lab-error.ts'

export interface StoreOptions {
  readonly directory: string
  readonly nodes: readonly string[]
}

/** Makes the kernel's times of a file old enough that no reader waits for more to be written to it. */
const SETTLED_SECONDS = 1

/**
 * The API server's part for a directory of YAML: takes manifests, gives pods a node and services an address where they
 * have none, and keeps one file an object, written in one step.
 */
export class ManifestStore {
  readonly #options: StoreOptions
  readonly #objects = new Map<string, UnknownRecord>()
  readonly #addresses = new Map<string, string>()
  #scheduled = 0

  constructor(options: StoreOptions) {
    if (options.nodes.length > MAX_NODES) throw new LabError('MANIFEST_INVALID', `A lab has at most ${MAX_NODES} nodes`)
    this.#options = options
  }

  /** @throws {LabError} `MANIFEST_INVALID`, and then nothing has changed */
  apply(text: string): readonly ObjectRef[] {
    const objects = parseManifests(text).map((value) => ({ value, ref: refOfManifest(value) }))
    for (const { ref, value } of objects) this.#write(ref, this.#admit(ref, value))
    return objects.map(({ ref }) => ref)
  }

  /** Sets labels of an object that was applied; null takes one away. @throws {LabError} `NOT_FOUND` */
  label(ref: ObjectRef, labels: Readonly<Record<string, string | null>>): void {
    this.#edit(ref, { labels })
  }

  /** Asks a pod to end, as a deletion in a cluster does first. @throws {LabError} `NOT_FOUND` */
  terminate(ref: ObjectRef, at: string): void {
    this.#edit(ref, { deletionTimestamp: at })
  }

  /** @returns whether there was such an object */
  remove(ref: ObjectRef): boolean {
    rmSync(this.#path(ref), { force: true })
    return this.#objects.delete(describeRef(ref))
  }

  has(ref: ObjectRef): boolean {
    return this.#objects.has(describeRef(ref))
  }

  #edit(ref: ObjectRef, change: { labels?: Readonly<Record<string, string | null>>; deletionTimestamp?: string }): void {
    const object = this.#objects.get(describeRef(ref))
    if (object === undefined) throw new LabError('NOT_FOUND', `There is no ${describeRef(ref)} in this lab`)
    const metadata = recordAt(object, 'metadata')
    const labels = Object.entries({ ...recordAt(metadata, 'labels'), ...change.labels }).filter(([, value]) => value !== null)
    const { deletionTimestamp } = change
    this.#write(ref, {
      ...object,
      metadata: { ...metadata, labels: Object.fromEntries(labels), ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) },
    })
  }

  #admit(ref: ObjectRef, value: UnknownRecord): UnknownRecord {
    const spec = recordAt(value, 'spec')
    const before = recordAt(this.#objects.get(describeRef(ref)) ?? {}, 'spec')
    if (ref.kind === 'Pod') {
      return { ...value, spec: { ...spec, nodeName: spec['nodeName'] ?? before['nodeName'] ?? this.#nextNode() } }
    }
    if (ref.kind !== 'Service' || spec['clusterIP'] !== undefined || spec['type'] === 'ExternalName') return value
    const address = this.#addressOf(describeRef(ref))
    return { ...value, spec: { ...spec, clusterIP: address, clusterIPs: [address] } }
  }

  #nextNode(): string {
    const { nodes } = this.#options
    return nodes[this.#scheduled++ % nodes.length] ?? ''
  }

  #addressOf(key: string): string {
    const address = this.#addresses.get(key) ?? clusterIp(this.#addresses.size)
    this.#addresses.set(key, address)
    return address
  }

  #write(ref: ObjectRef, object: UnknownRecord): void {
    this.#objects.set(describeRef(ref), object)
    const path = this.#path(ref)
    const text = stringify(object)
    if (textIfThere(path) === text) return
    const scratch = join(this.#options.directory, '.scratch')
    writeFileSync(scratch, text)
    const then = Math.floor(Date.now() / 1000) - SETTLED_SECONDS
    utimesSync(scratch, then, then)
    renameSync(scratch, path)
  }

  #path(ref: ObjectRef): string {
    const name = [ref.kind, ref.namespace, ref.name].filter((part) => part !== undefined).join('.')
    return join(this.#options.directory, `${name.toLowerCase()}.yaml`)
  }
}

/** Every document of a YAML text; a List counts as its items. @throws {LabError} `MANIFEST_INVALID` with the line */
export function parseManifests(text: string): readonly UnknownRecord[] {
  const documents = parseAllDocuments(text)
  if (!Array.isArray(documents)) return []
  return documents.flatMap((document) => {
    const [problem] = document.errors
    if (problem !== undefined) throw new LabError('MANIFEST_INVALID', `Cannot read manifest: ${problem.message}`, { cause: problem })
    const value: unknown = document.toJS()
    if (value === null || value === undefined) return []
    if (!isRecord(value)) throw new LabError('MANIFEST_INVALID', 'Cannot read manifest: a document must be a map')
    const items: readonly unknown[] | undefined = Array.isArray(value['items']) ? value['items'] : undefined
    return value['kind'] === 'List' && items !== undefined ? items.filter(isRecord) : [value]
  })
}

/** @throws {LabError} `MANIFEST_INVALID` for a kind this mesh knows nothing of */
export function refOfManifest(value: UnknownRecord): ObjectRef {
  const metadata = recordAt(value, 'metadata')
  const { name, namespace } = metadata
  const kind = kindOf(String(value['apiVersion']), String(value['kind']))
  if (kind === undefined || typeof name !== 'string') {
    throw new LabError('MANIFEST_INVALID', `Cannot apply ${String(value['kind'])} ${String(name)}: no kind this mesh reads, or no name`)
  }
  if (!resourceKinds[kind].namespaced) return { kind, name }
  return { kind, name, namespace: typeof namespace === 'string' ? namespace : 'default' }
}

function recordAt(value: UnknownRecord, name: string): UnknownRecord {
  const found = value[name]
  return isRecord(found) ? found : {}
}

function textIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // the first of its name
  }
}
