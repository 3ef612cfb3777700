import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface VariableEntry {
  readonly name: string
  readonly status: string
  readonly note: string
}

/**
 * The variables of the environment that the node proxy knows. Read at run time, because nobody imports an app.
 *
 * @throws when there is no table, or a row of it is none.
 */
export async function readEnvironment(root: string): Promise<readonly VariableEntry[]> {
  const path = join(root, 'apps', 'ztunnel', 'src', 'environment.ts')
  const exported: unknown = await import(pathToFileURL(path).href)
  const table = fieldsOf(exported).get('ENVIRONMENT')
  return [...fieldsOf(table)].map(([name, row]) => {
    const fields = fieldsOf(row)
    const [status, note = ''] = [fields.get('status'), fields.get('note')]
    if (typeof status !== 'string' || typeof note !== 'string')
      throw new Error(`${name} is in the table of variables and is no row of one`)
    return { name, status, note }
  })
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new Error('a table of variables is none')
  return new Map(Object.entries(value))
}
