import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeRef, isRecord, kindOf, resourceKinds } from '@ambient/kube'
import type { ObjectRef, UnknownRecord } from '@ambient/kube'
import type { Clock } from '@ambient/lifecycle'
import { parseAllDocuments, stringify } from 'yaml'
import { type LabFamily, MAX_NODES } from './lab-addresses.ts'
import { LabError } from './lab-error.ts'
import { giveAddresses } from './service-addresses.ts'

export interface StoreOptions {
  readonly directory: string
  readonly nodes: readonly string[]
  /** Of services, the primary one first. */
  readonly families: readonly LabFamily[]
  readonly clock: Clock
}

/** Makes the time of a file old enough that no reader waits for more to be written to it. */
const SETTLED_SECONDS = 1

/**
 * The API server's part for a directory of YAML: takes manifests, gives pods a node and services an address where they
 * have none, and keeps one file an object, written in one step. Holds nothing itself: two processes may use one directory.
 */
export class ManifestStore {
  readonly #options: StoreOptions

  constructor(options: StoreOptions) {
    if (options.nodes.length > MAX_NODES)
      throw new LabError('MANIFEST_INVALID', `A lab has at most ${MAX_NODES} nodes`)
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
    const metadata = recordAt(this.#must(ref), 'metadata')
    const merged = Object.entries({ ...recordAt(metadata, 'labels'), ...labels }).filter(
      ([, value]) => value !== null,
    )
    this.#write(ref, { ...this.#must(ref), metadata: { ...metadata, labels: Object.fromEntries(merged) } })
  }

  /** Asks a pod to end, as a deletion in a cluster does first. @throws {LabError} `NOT_FOUND` */
  terminate(ref: ObjectRef, at: string): void {
    const object = this.#must(ref)
    this.#write(ref, { ...object, metadata: { ...recordAt(object, 'metadata'), deletionTimestamp: at } })
  }

  /** One that is not there is no error. */
  remove(ref: ObjectRef): void {
    rmSync(this.#path(ref), { force: true })
  }

  /** `namespace/name` of every pod that was applied and not removed. */
  pods(): readonly string[] {
    return this.#objects('pod').map((object) => {
      const { namespace = '', name } = refOfManifest(object)
      return `${namespace}/${name}`
    })
  }

  #must(ref: ObjectRef): UnknownRecord {
    const object = this.#object(ref)
    if (object === undefined) throw new LabError('NOT_FOUND', `There is no ${describeRef(ref)} in this lab`)
    return object
  }

  #object(ref: ObjectRef): UnknownRecord | undefined {
    return parseManifests(textIfThere(this.#path(ref)) ?? '')[0]
  }

  #admit(ref: ObjectRef, value: UnknownRecord): UnknownRecord {
    const spec = recordAt(value, 'spec')
    const before = recordAt(this.#object(ref) ?? {}, 'spec')
    if (ref.kind === 'Pod') {
      return {
        ...value,
        spec: { ...spec, nodeName: spec['nodeName'] ?? before['nodeName'] ?? this.#nextNode() },
      }
    }
    if (ref.kind !== 'Service') return value
    const taken = this.#specs('service').flatMap((service) => textsAt(service, 'clusterIPs'))
    const given = giveAddresses(spec, {
      before: textsAt(before, 'clusterIPs'),
      taken,
      families: this.#options.families,
    })
    return { ...value, spec: { ...spec, ...given } }
  }

  /** The one with the fewest pods of its own network; the first of equals. */
  #nextNode(): string {
    const taken = this.#specs('pod')
      .filter((spec) => spec['hostNetwork'] !== true)
      .map((spec) => spec['nodeName'])
    const load = (node: string): number => taken.filter((name) => name === node).length
    return this.#options.nodes.toSorted((a, b) => load(a) - load(b))[0] ?? ''
  }

  #specs(kind: string): readonly UnknownRecord[] {
    return this.#objects(kind).map((object) => recordAt(object, 'spec'))
  }

  #objects(kind: string): readonly UnknownRecord[] {
    const { directory } = this.#options
    const names = readdirSync(directory).filter(
      (name) => name.startsWith(`${kind}.`) && name.endsWith('.yaml'),
    )
    return names.flatMap((name) => parseManifests(textIfThere(join(directory, name)) ?? ''))
  }

  #write(ref: ObjectRef, object: UnknownRecord): void {
    const path = this.#path(ref)
    const text = stringify(object)
    if (textIfThere(path) === text) return
    const scratch = join(this.#options.directory, `.${randomUUID()}`)
    writeFileSync(scratch, text)
    const then = Math.floor(this.#options.clock.nowMs() / 1000) - SETTLED_SECONDS
    utimesSync(scratch, then, then)
    renameSync(scratch, path)
  }

  #path(ref: ObjectRef): string {
    const name = [ref.kind, ref.namespace, ref.name].filter((part) => part !== undefined).join('.')
    return join(this.#options.directory, `${name.toLowerCase()}.yaml`)
  }
}

/** Every document of a YAML text; a List counts as its items. @throws {LabError} `MANIFEST_INVALID` with the line */
function parseManifests(text: string): readonly UnknownRecord[] {
  const documents = parseAllDocuments(text)
  if (!Array.isArray(documents)) return []
  return documents.flatMap((document) => {
    const [problem] = document.errors
    if (problem !== undefined)
      throw new LabError('MANIFEST_INVALID', `Cannot read manifest: ${problem.message}`, { cause: problem })
    const value: unknown = document.toJS()
    if (value === null || value === undefined) return []
    if (!isRecord(value))
      throw new LabError('MANIFEST_INVALID', 'Cannot read manifest: a document must be a map')
    const items: readonly unknown[] | undefined = Array.isArray(value['items']) ? value['items'] : undefined
    return value['kind'] === 'List' && items !== undefined ? items.filter(isRecord) : [value]
  })
}

/** What only the controllers of a cluster make something of. */
const ACTED_ON_BY_NOBODY: ReadonlySet<string> = new Set([
  'Deployment',
  'HorizontalPodAutoscaler',
  'PodDisruptionBudget',
])

/** @throws {LabError} `MANIFEST_INVALID` for a kind that would lie in a lab without any effect */
function refOfManifest(value: UnknownRecord): ObjectRef {
  const metadata = recordAt(value, 'metadata')
  const { name, namespace } = metadata
  const kind = kindOf(String(value['apiVersion']), String(value['kind']))
  if (kind === undefined || ACTED_ON_BY_NOBODY.has(kind) || typeof name !== 'string') {
    throw new LabError(
      'MANIFEST_INVALID',
      `Cannot apply ${String(value['kind'])} ${String(name)}: no kind that does something in a lab, or no name`,
    )
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

function textsAt(value: UnknownRecord, name: string): readonly string[] {
  const found = value[name]
  return Array.isArray(found) ? found.map(String) : []
}
