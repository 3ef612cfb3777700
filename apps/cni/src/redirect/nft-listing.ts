/** One table as `nft list` prints it: each line within it, with the chain it stands in. */
export interface ListedTable {
  readonly name: string
  readonly lines: readonly ListedLine[]
}

export interface ListedLine {
  readonly chain: string
  readonly text: string
  /** `type … hook …`: it makes a chain a base chain and is no rule. */
  readonly isHook: boolean
}

/** Reads `nft --stateless list ruleset inet`; what is neither table nor chain (a set, a map) belongs to no chain. Pure. */
export function parseNftListing(text: string): readonly ListedTable[] {
  const tables: { name: string; lines: ListedLine[] }[] = []
  let chain = ''
  for (const raw of text.split('\n')) {
    const line = raw.trim()
    const table = /^table inet (\S+) \{$/.exec(line)
    if (table !== null) tables.push({ name: table[1] ?? '', lines: [] })
    else if (/^chain \S+ \{$/.test(line)) {
      chain = line.split(' ')[1] ?? ''
      tables.at(-1)?.lines.push({ chain, text: '', isHook: false }) // a chain counts, be it empty
    } else if (line === '}') chain = ''
    else if (line !== '')
      tables
        .at(-1)
        ?.lines.push({ chain, text: line, isHook: / hook /.test(line) && line.startsWith('type ') })
  }
  return tables
}

/** The lines that differ from what is `wanted`, as `table chain rule`; empty when the two are the same, in the same order. Pure. */
export function differingLines(
  found: readonly ListedTable[],
  wanted: readonly ListedTable[],
): readonly string[] {
  const there = linesOf(found)
  const expected = linesOf(wanted)
  if (there.length === expected.length && there.every((line, at) => line === expected[at])) return []
  const missing = expected.filter((line) => !there.includes(line))
  return missing.length === 0 ? ['rules are out of order, or there are too many'] : missing
}

/** Whether a rule stands in `table`; its chains alone do nothing. Pure. */
export function hasRules(tables: readonly ListedTable[], table: string): boolean {
  return tables.some(
    ({ name, lines }) => name === table && lines.some(({ text, isHook }) => text !== '' && !isHook),
  )
}

function linesOf(tables: readonly ListedTable[]): readonly string[] {
  return tables
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name, lines }) => lines.map(({ chain, text }) => `${name} ${chain} ${text}`.trimEnd()))
}
