import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { LabError } from './lab-error.ts'
import { isGone } from './run-command.ts'
import { waitFor } from './wait-for.ts'

/** Hierarchies of cgroup v1 that need nothing set before a process may enter. */
const V1_HIERARCHIES = ['name=systemd', 'pids', 'cpuacct', 'memory', 'freezer']
const REMOVE_DEADLINE_MS = 5_000

/**
 * Where cgroups can be made: every cgroup2 mount, and the first fit hierarchy of cgroup v1. Pure.
 *
 * @param mounts The text of /proc/self/mountinfo.
 */
export function findCgroupRoots(mounts: string): readonly string[] {
  const rows = mounts.split('\n').map((line) => {
    const [left = '', right = ''] = line.split(' - ')
    const [type = '', , options = ''] = right.split(' ')
    return { path: left.split(' ')[4] ?? '', type, options: options.split(',') }
  })
  const unified = rows.filter(({ type }) => type === 'cgroup2').map(({ path }) => path)
  const first = V1_HIERARCHIES.map((name) =>
    rows.find(({ type, options }) => type === 'cgroup' && options.includes(name)),
  )
  return [...unified, ...first.flatMap((row) => (row === undefined ? [] : [row.path])).slice(0, 1)]
}

export function cgroupRoots(): readonly string[] {
  return findCgroupRoots(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/** One lab's cgroups, the same tree in every hierarchy. Every process of the lab is in it, which is how a crash is cleaned up. */
export class CgroupTree {
  readonly #roots: readonly string[]

  private constructor(roots: readonly string[]) {
    this.#roots = roots
  }

  /** @throws {LabError} `REQUIREMENT_MISSING` when this machine lets nobody make a cgroup */
  static create(name: string): CgroupTree {
    const roots = cgroupRoots()
      .map((root) => join(root, name))
      .filter((path) => tryMkdir(path))
    if (roots.length > 0) return new CgroupTree(roots)
    throw new LabError(
      'REQUIREMENT_MISSING',
      'The lab cannot make a cgroup: mount one that is writable, run: mount -t cgroup2 cgroup2 /sys/fs/cgroup',
    )
  }

  /** The tree an earlier run left. */
  static existing(name: string): CgroupTree {
    return new CgroupTree(
      cgroupRoots()
        .map((root) => join(root, name))
        .filter((path) => existsSync(path)),
    )
  }

  /** Makes `group`, a path below the tree. @returns the files a process writes 0 to in order to enter it */
  make(group: string): readonly string[] {
    const paths = this.#roots.map((root) => join(root, group))
    for (const path of paths) mkdirSync(path, { recursive: true })
    return paths.map((path) => join(path, 'cgroup.procs'))
  }

  /** Every process in `group` and below it. */
  processes(group = ''): readonly number[] {
    const found = this.#roots.flatMap((root) => processesBelow(join(root, group)))
    return [...new Set(found)]
  }

  /** Ends what is left in `group` and takes it away, with all below it. */
  async remove(group = ''): Promise<void> {
    await waitFor(
      `the processes of cgroup ${this.#roots.map((root) => join(root, group)).join(' and ')} to end`,
      () => {
        for (const pid of this.processes(group)) killProcess(pid)
        for (const root of this.#roots) removeBelow(join(root, group))
        return true
      },
      REMOVE_DEADLINE_MS,
    )
  }

  get isGone(): boolean {
    return this.#roots.every((root) => !existsSync(root))
  }
}

function tryMkdir(path: string): boolean {
  try {
    mkdirSync(path)
    return true
  } catch {
    return false // read-only, or no permission: the next hierarchy may do
  }
}

function subgroups(path: string): readonly string[] {
  if (!existsSync(path)) return []
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name))
}

function processesBelow(path: string): readonly number[] {
  if (!existsSync(path)) return []
  const own = readFileSync(join(path, 'cgroup.procs'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && line !== '0')
  return [...own.map(Number), ...subgroups(path).flatMap(processesBelow)]
}

function removeBelow(path: string): void {
  for (const below of subgroups(path)) removeBelow(below)
  if (existsSync(path)) rmdirSync(path) // EBUSY while a process is still on its way out
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (cause) {
    if (!isGone(cause)) throw cause
  }
}
