/** One table as `iptables-save` prints it: the names of its own chains, and each rule as its words. */
export interface SavedTable {
  readonly name: string
  readonly chains: readonly string[]
  readonly rules: readonly SavedRule[]
}

export interface SavedRule {
  readonly chain: string
  /** What follows the chain's name, as printed. */
  readonly spec: string
}

/** Reads the output of `iptables-save`. A line that is none of table, chain, rule or comment is left out. Pure. */
export function parseIptablesSave(text: string): readonly SavedTable[] {
  const tables: { name: string; chains: string[]; rules: SavedRule[] }[] = []
  for (const line of text.split('\n')) {
    const table = tables.at(-1)
    if (line.startsWith('*')) tables.push({ name: line.slice(1).trim(), chains: [], rules: [] })
    else if (line.startsWith(':')) {
      const [name, policy] = line.slice(1).split(' ')
      if (name !== undefined && policy === '-') table?.chains.push(name)
    } else {
      const rule = /^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/.exec(line)
      if (rule !== null) table?.rules.push({ chain: rule[1] ?? '', spec: (rule[2] ?? '').trim() })
    }
  }
  return tables
}

/**
 * One rule in a form that two versions of iptables agree on: options with their negation and values, in alphabetical order,
 * without `-m` (which some versions print and some do not) and with host masks left out. Pure.
 */
export function normaliseRule(spec: string): string {
  const options: string[] = []
  let negated = ''
  for (const word of spec.trim().split(/\s+/)) {
    if (word === '!') negated = '! '
    else if (word.startsWith('-')) {
      options.push(`${negated}${word === '--to-port' ? '--to-ports' : word}`)
      negated = ''
    } else options.push(`${options.pop() ?? ''} ${word.toLowerCase().replace(/\/(32|128)$/, '')}`)
  }
  return options
    .filter((option) => !option.startsWith('-m '))
    .toSorted()
    .join(' ')
}
