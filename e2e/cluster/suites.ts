/** Which files of `suites/` a run names; `smoke` is what CI runs at every landing. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, 'suites')
/** Suites that ask helm alone. */
const WITHOUT_CLUSTER: ReadonlySet<string> = new Set(['charts'])

/** Whether any of the suites talks to a cluster. */
export function needsCluster(names: readonly string[]): boolean {
  return names.length === 0 || names.some((name) => !WITHOUT_CLUSTER.has(name))
}

/** What takes the mesh away comes last. */
const LAST = 'uninstall'

/** @throws {Error} for a name that no suite has. */
export function chooseSuites(names: readonly string[]): readonly string[] {
  const all = readdirSync(folder)
    .filter((file) => file.endsWith('.suite.ts'))
    .map((file) => file.slice(0, -'.suite.ts'.length))
    .toSorted(byName)
  const unknown = names.filter((name) => !all.includes(name))
  if (unknown.length > 0)
    throw new Error(`no suite is called ${unknown.join(' or ')}: there are ${all.join(', ')}`)
  return (names.length === 0 ? all : names).map((name) => join(folder, `${name}.suite.ts`))
}

function byName(a: string, b: string): number {
  if (a === LAST || b === LAST) return Number(a === LAST) - Number(b === LAST)
  return a < b ? -1 : 1
}
