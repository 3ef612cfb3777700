import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** One row of a compatibility table, as the page shows it. */
export interface CompatibilityEntry {
  /** `spec.hosts`, `label istio.io/rev` */
  readonly place: string
  readonly status: 'supported' | 'ignored' | 'untouched'
  /** Of a supported one, the test that shows it; else why it is as it is. */
  readonly evidence: string
  readonly note: string
}

export interface CompatibilitySection {
  readonly title: string
  readonly entries: readonly CompatibilityEntry[]
}

const FOLDER = join('apps', 'istiod', 'src', 'compatibility')

/**
 * The tables that istiod declares in files named `…-compatibility.ts`, sorted by title. Found by name and read at run
 * time, because nobody imports an app.
 *
 * @throws when a table is none, or a row names a test that does not exist or does not show it.
 */
export async function readCompatibility(root: string): Promise<readonly CompatibilitySection[]> {
  const sections: CompatibilitySection[] = []
  const files = readdirSync(join(root, FOLDER)).filter((name) => name.endsWith('-compatibility.ts'))
  for (const file of files.toSorted()) {
    const exported: unknown = await import(pathToFileURL(join(root, FOLDER, file)).href)
    for (const [name, tables] of entriesOf(exported)) {
      if (!name.endsWith('_COMPATIBILITY') || !Array.isArray(tables)) continue
      for (const table of tables) sections.push(sectionOf(table))
    }
  }
  for (const { title, entries } of sections) {
    for (const entry of entries) {
      const problem = entry.status === 'supported' ? testProblem(root, entry) : undefined
      if (problem !== undefined) throw new Error(`${title} ${entry.place}: ${problem}`)
    }
  }
  return sections.toSorted((a, b) => (a.title < b.title ? -1 : 1))
}

/** What is wrong with the test that a row names; a golden case must have the field in its input. */
export function testProblem(
  root: string,
  { place, evidence }: Pick<CompatibilityEntry, 'place' | 'evidence'>,
): string | undefined {
  const [file = '', title = ''] = evidence.split(' › ')
  const path = join(root, file)
  if (title === '' || !existsSync(path)) return `there is no test "${evidence}"`
  const [, golden] = /^meshState\(\) turns (.*)\.in\.yaml into /.exec(title) ?? []
  if (golden === undefined)
    return hasTitle(readFileSync(path, 'utf8'), title) ? undefined : `${file} has no test "${title}"`
  const input = join(path, '..', 'testdata', `${golden}.in.yaml`)
  if (!existsSync(input)) return `there is no golden case ${golden}`
  const word =
    place
      .replace(/^(label|annotation) /, '')
      .split(/[.[\]]+(?=\w+$)/)
      .at(-1) ?? ''
  return readFileSync(input, 'utf8').includes(word) ? undefined : `golden case ${golden} has no ${word} in it`
}

/** Whole, or as a table test has it: `'what() $name'` and a row with the name. */
function hasTitle(text: string, title: string): boolean {
  if (text.includes(`'${title}'`)) return true
  return [...text.matchAll(/'([^'\n]*) \$name'/g)].some(
    ([, start = '']) => title.startsWith(`${start} `) && text.includes(`'${title.slice(start.length + 1)}'`),
  )
}

function sectionOf(table: unknown): CompatibilitySection {
  const fields = new Map(entriesOf(table))
  const title = fields.get('title')
  if (typeof title !== 'string') throw new Error('a compatibility table has no title')
  const rows = (name: string, prefix: string): readonly CompatibilityEntry[] =>
    entriesOf(fields.get(name)).map(([place, row]) => entryOf(`${prefix}${place}`, row))
  return {
    title,
    entries: [...rows('fields', ''), ...rows('labels', 'label '), ...rows('annotations', 'annotation ')],
  }
}

function entryOf(place: string, row: unknown): CompatibilityEntry {
  const fields = new Map(entriesOf(row))
  const text = (name: string): string => {
    const value = fields.get(name)
    return typeof value === 'string' ? value : ''
  }
  const status = text('status')
  if (status !== 'supported' && status !== 'ignored' && status !== 'untouched')
    throw new Error(`${place} is in a compatibility table and is no row of one`)
  return { place, status, evidence: text(status === 'supported' ? 'test' : 'because'), note: text('note') }
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}
