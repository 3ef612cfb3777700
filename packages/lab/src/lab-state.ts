import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { isRecord } from '@ambient/kube'
import { CgroupTree, cgroupRoots } from './cgroup-tree.ts'
import type { LabFamily } from './lab-addresses.ts'
import { isRunning, processFacts } from './process-table.ts'
import { runCommand } from './run-command.ts'

/** `PID-START-N`: which process holds the lab. A crashed lab is known by its name alone, wherever the name is found. */
export type LabId = string

/** What other processes may know of a running lab; they do their part through files and `nsenter`. */
export interface LabRecord {
  readonly id: LabId
  readonly isReady: boolean
  readonly families: readonly LabFamily[]
  /** Process numbers of namespaces, as the host has them: `node1`, `shop/web`. */
  readonly namespaces: Readonly<Record<string, number>>
}

const PREFIX = 'ambient-lab-'
const RECORD = 'lab.json'
const HOST_NAMESPACES = '/run/netns'
let labs = 0

/** A new name for a lab of this process. */
export function newLabId(): LabId {
  labs += 1
  return `${process.pid}-${processFacts(process.pid)?.startTicks ?? '0'}-${labs}`
}

export function cgroupName(id: LabId): string {
  return `${PREFIX}${id}`
}

/** The directory of all that a lab writes. */
export function labDirectory(id: LabId): string {
  return join(tmpdir(), `${PREFIX}${id}`)
}

export function makeLabDirectory(id: LabId): string {
  const directory = labDirectory(id)
  for (const part of ['config', 'logs', 'pods', 'dns', 'captures', 'istiod'])
    mkdirSync(join(directory, part), { recursive: true, mode: 0o755 })
  return directory
}

/** Where the container runtime of a node looks for networks and for plugins that are not the machine's own. */
export interface NodeDirectories {
  readonly networks: string
  readonly plugins: string
}

/** @param directory The lab's own. */
export function nodeDirectories(directory: string, node: string): NodeDirectories {
  const ofNode = join(directory, 'nodes', node)
  return { networks: join(ofNode, 'net.d'), plugins: join(ofNode, 'bin') }
}

export function writeRecord(record: LabRecord): void {
  const path = join(labDirectory(record.id), RECORD)
  writeFileSync(`${path}.new`, JSON.stringify(record))
  renameSync(`${path}.new`, path)
}

/** The process that holds a lab, when it still runs. */
export function holderOf(id: LabId): number | undefined {
  const [pid = '', startTicks = ''] = id.split('-')
  return isRunning({ pid: Number(pid), startTicks }) ? Number(pid) : undefined
}

/** Labs whose holder runs, newest first. */
export function liveLabs(): readonly LabRecord[] {
  return labIds()
    .filter((id) => holderOf(id) !== undefined)
    .flatMap((id) => readRecord(id) ?? [])
    .toSorted((a, b) => Number(b.id.split('-')[1]) - Number(a.id.split('-')[1]))
}

function readRecord(id: LabId): LabRecord | undefined {
  const path = join(labDirectory(id), RECORD)
  if (!existsSync(path)) return undefined
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
  if (!isRecord(value) || !isRecord(value['namespaces'])) return undefined
  const namespaces = Object.entries(value['namespaces']).map(([name, pid]) => [name, Number(pid)] as const)
  const stored: unknown = value['families']
  const families = (['ipv4', 'ipv6'] as const).filter(
    (family) => Array.isArray(stored) && stored.includes(family),
  )
  return { id, isReady: value['isReady'] === true, families, namespaces: Object.fromEntries(namespaces) }
}

/** Takes away all that labs left whose process was killed. @returns their names */
export async function removeLeftovers(): Promise<readonly LabId[]> {
  const dead = labIds().filter((id) => holderOf(id) === undefined)
  for (const id of dead) await removeTraces(id)
  return dead
}

/** Ends what runs in the lab's cgroup and removes cgroup and directory. Namespaces and mounts went with the processes. */
export async function removeTraces(id: LabId): Promise<void> {
  await CgroupTree.existing(cgroupName(id)).remove()
  rmSync(labDirectory(id), { recursive: true, force: true })
  for (const name of entriesOf(HOST_NAMESPACES).filter((entry) => entry.includes(id))) {
    await runCommand(['ip', 'netns', 'delete', name]) // its only failure is that another removed it first
  }
}

/** Everything of a lab that is still there: its places, and network namespaces that were given its name on the host. */
export function tracesOf(id: LabId): readonly string[] {
  const places = [labDirectory(id), ...cgroupRoots().map((root) => join(root, cgroupName(id)))]
  const namespaces = entriesOf(HOST_NAMESPACES).filter((name) => name.includes(id))
  return [
    ...places.filter((path) => existsSync(path)),
    ...namespaces.map((name) => join(HOST_NAMESPACES, name)),
  ]
}

function labIds(): readonly LabId[] {
  const found = [tmpdir(), ...cgroupRoots()].flatMap(entriesOf)
  const ids = found.map((path) => basename(path)).filter((name) => /^ambient-lab-\d+-\d+-\d+$/.test(name))
  return [...new Set(ids.map((name) => name.slice(PREFIX.length)))]
}

function entriesOf(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}
