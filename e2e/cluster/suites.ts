/** Which files of `suites/` a run names; `smoke` is what CI runs at every landing. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, 'suites')

/** @throws {Error} for a name that no suite has. */
export function chooseSuites(names: readonly string[]): readonly string[] {
  const all = readdirSync(folder)
    .filter((file) => file.endsWith('.suite.ts'))
    .map((file) => file.slice(0, -'.suite.ts'.length))
    .toSorted()
  const unknown = names.filter((name) => !all.includes(name))
  if (unknown.length > 0)
    throw new Error(`no suite is called ${unknown.join(' or ')}: there are ${all.join(', ')}`)
  return (names.length === 0 ? all : names).map((name) => join(folder, `${name}.suite.ts`))
}
