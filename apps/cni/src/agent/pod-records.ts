import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRecord } from '@ambient/kube'
import { type BackendName, backendNames, type SettingsBefore } from '../redirect/redirect-backend.ts'
import { type KeptConnections, type MeshPod, noKeptConnections } from './mesh-pod.ts'

/** What must outlive the agent about one pod: how it was enrolled, and so how to undo it. */
export interface PodRecord {
  readonly uid: string
  /** Every backend that may have rules in the pod; none: nobody knows. */
  readonly backends: readonly BackendName[]
  readonly containerId: string | undefined
  readonly kept: KeptConnections
  readonly before: SettingsBefore
}

/** What is known of a pod that is not held: what an earlier agent wrote down. */
export function podOfRecord(uid: string, record: PodRecord | undefined): MeshPod {
  return {
    uid,
    state: { kind: 'pending', cause: 'its namespace was not found yet' },
    netns: undefined,
    containerId: record?.containerId,
    ips: [],
    backends: record?.backends ?? [],
    areRulesWhole: false,
    kept: record?.kept ?? noKeptConnections,
    before: record?.before ?? {},
  }
}

/** One small file a pod in the run directory. A hint only: whether rules are there is asked of the kernel. */
export class PodRecords {
  readonly #directory: string
  readonly #known: Map<string, PodRecord>

  /** Reads what is there; a file that cannot be read is as good as none. */
  constructor(directory: string) {
    this.#directory = directory
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    this.#known = new Map(
      readdirSync(directory)
        .flatMap((name) => readRecord(join(directory, name)))
        .map((record) => [record.uid, record]),
    )
  }

  get(uid: string): PodRecord | undefined {
    return this.#known.get(uid)
  }

  uids(): readonly string[] {
    return [...this.#known.keys()]
  }

  /** Takes the fields of a record out of whatever has them. */
  save({ uid, backends, containerId, kept, before }: PodRecord): void {
    const record: PodRecord = { uid, backends, containerId, kept, before }
    const path = this.#pathOf(uid)
    writeFileSync(`${path}.new`, JSON.stringify(record))
    renameSync(`${path}.new`, path)
    this.#known.set(uid, record)
  }

  delete(uid: string): void {
    this.#known.delete(uid)
    rmSync(this.#pathOf(uid), { force: true })
  }

  #pathOf(uid: string): string {
    return join(this.#directory, `${encodeURIComponent(uid)}.json`)
  }
}

function readRecord(path: string): readonly PodRecord[] {
  if (!path.endsWith('.json')) return []
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (!isRecord(value) || typeof value['uid'] !== 'string') return []
    const { uid, containerId, backends, kept, before } = value
    return [
      {
        uid,
        backends: textsOf(backends).flatMap((text) => backendNames.find((name) => name === text) ?? []),
        containerId: typeof containerId === 'string' ? containerId : undefined,
        kept: isRecord(kept)
          ? { count: Number(kept['count'] ?? 0), names: textsOf(kept['names']) }
          : { count: 0, names: [] },
        before: isRecord(before)
          ? Object.fromEntries(Object.entries(before).map(([name, each]) => [name, String(each)]))
          : {},
      },
    ]
  } catch {
    return []
  }
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}
