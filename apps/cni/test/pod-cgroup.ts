import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

/** The first place where a cgroup can be made: cgroup v2, or a hierarchy of v1 that needs nothing set. */
export function writableHierarchy(): string {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
  const paths = mounts
    .filter(
      (words) =>
        words.includes('cgroup2') ||
        (words.includes('cgroup') && /(^|,)(pids|cpuacct)(,|$)/.test(words.at(-1) ?? '')),
    )
    .map((words) => words[4] ?? '')
  const found = paths.find((path) => {
    try {
      const probe = join(path, `cni-probe-${process.pid}`)
      mkdirSync(probe)
      rmdirSync(probe)
      return true
    } catch {
      return false
    }
  })
  if (found === undefined)
    throw new Error(
      'Cannot test the search by cgroup: no cgroup hierarchy is writable; run: mount -t cgroup2 cgroup2 /sys/fs/cgroup',
    )
  return found
}

/** Cgroups are removed from the leaves up; fails while a process is still on its way out. */
export function removeTree(path: string): void {
  if (!existsSync(path)) return
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(path, entry.name))
  rmdirSync(path)
}
