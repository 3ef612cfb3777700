import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { defineLimits, type LimitDefinition, type LimitTable } from '@ambient/telemetry'

/**
 * The tables that apps declare in files named `…-limits.ts`, by title. Found by name and read at run time, because nobody
 * imports an app.
 */
export async function readAppLimits(root: string): Promise<Readonly<Record<string, LimitTable>>> {
  const tables: Record<string, LimitTable> = {}
  for (const app of readdirSync(join(root, 'apps')).toSorted()) {
    const source = join(root, 'apps', app, 'src')
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('-limits.ts'),
    )
    for (const file of files.toSorted()) {
      const exported: unknown = await import(pathToFileURL(join(source, file)).href)
      for (const [name, value] of entriesOf(exported)) {
        if (name.endsWith('_LIMITS')) tables[titleOf(app, name)] = tableOf(value)
      }
    }
  }
  return tables
}

/** `SNAPSHOT_LIMITS` of ztunnel: `ztunnel: snapshot`. */
function titleOf(app: string, name: string): string {
  const words = name.slice(0, -'_LIMITS'.length).toLowerCase().replaceAll('_', ' ')
  return words === app ? app : `${app}: ${words}`
}

function tableOf(value: unknown): LimitTable {
  return defineLimits(Object.fromEntries(entriesOf(value).map(([name, row]) => [name, rowOf(name, row)])))
}

function rowOf(name: string, row: unknown): LimitDefinition {
  if (isLimit(row)) return row
  throw new Error(`${name} is in a table of limits and is no limit`)
}

function isLimit(row: unknown): row is LimitDefinition {
  const fields = new Map(entriesOf(row))
  return (
    typeof fields.get('value') === 'number' &&
    typeof fields.get('unit') === 'string' &&
    typeof fields.get('whenHit') === 'string'
  )
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}
