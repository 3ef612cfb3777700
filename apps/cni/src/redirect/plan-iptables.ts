import { normaliseRule, type SavedRule, type SavedTable } from './iptables-save.ts'
import type { IptablesRule, IptablesTable } from './redirect-rules.ts'

/** Prefix of every chain that is ours (and was upstream's) in a pod. */
const OUR_PREFIX = 'ISTIO_'
const ALL_TABLES: readonly IptablesTable[] = ['mangle', 'nat', 'raw']

/** What has to be given to `iptables-restore --noflush`; empty when nothing differs. */
export interface IptablesPlan {
  readonly input: string
  /** The rules that were not there, as `table chain rule`; what a log or a status page shows. */
  readonly missing: readonly string[]
  /** Whether anything of ours was found at all. */
  readonly found: boolean
}

/**
 * Compares what is there with what must be there. Only tables that differ are touched, each rewritten within one commit, so
 * that no packet meets half a table: no guard rules are needed while a repair runs. Pure.
 */
export function planApply(saved: readonly SavedTable[], wanted: readonly IptablesRule[]): IptablesPlan {
  const missing: string[] = []
  const blocks: string[] = []
  for (const table of ALL_TABLES) {
    const before = ours(saved, table)
    const after = wanted.filter((rule) => rule.table === table)
    const lines = after.map((rule) => `${rule.chain} ${specOf(rule)}`)
    if (sameRules(before.rules, after) && sameChains(before.chains, after)) continue
    const there = new Set(before.rules.map((rule) => keyOf(rule.chain, rule.spec)))
    missing.push(
      ...after
        .filter((rule) => !there.has(keyOf(rule.chain, specOf(rule))))
        .map((rule) => `${table} ${rule.chain} ${specOf(rule)}`),
    )
    const keep = new Set(ownChains(after))
    blocks.push(
      block(table, [
        ...[...keep].map((chain) => `:${chain} - [0:0]`), // makes the chain, or empties it
        ...removalLines(before, keep),
        ...lines.map((line) => `-A ${line}`),
      ]),
    )
  }
  return { input: blocks.join(''), missing, found: hasOurs(saved, ALL_TABLES) }
}

/** What takes our chains and every jump to them out of `tables`, whoever put them there; nothing else is touched. Pure. */
export function planRemoval(saved: readonly SavedTable[], tables: readonly IptablesTable[]): string {
  return tables
    .map((table) => {
      const before = ours(saved, table)
      return before.chains.length + before.rules.length === 0
        ? ''
        : block(table, removalLines(before, new Set()))
    })
    .join('')
}

/** Whether any chain or rule of ours is in one of `tables`. Pure. */
export function hasOurs(saved: readonly SavedTable[], tables: readonly IptablesTable[]): boolean {
  return tables.some((table) => {
    const { chains, rules } = ours(saved, table)
    return chains.length + rules.length > 0
  })
}

interface OurPart {
  readonly chains: readonly string[]
  /** The jumps to our chains, and what stands in them. */
  readonly rules: readonly SavedRule[]
}

function ours(saved: readonly SavedTable[], name: IptablesTable): OurPart {
  const table = saved.find((each) => each.name === name)
  if (table === undefined) return { chains: [], rules: [] }
  return {
    chains: table.chains.filter((chain) => chain.startsWith(OUR_PREFIX)),
    rules: table.rules.filter((rule) => rule.chain.startsWith(OUR_PREFIX) || isJumpToOurs(rule)),
  }
}

function isJumpToOurs(rule: SavedRule): boolean {
  return new RegExp(`(^| )-[jg] ${OUR_PREFIX}`).test(rule.spec)
}

/** Jumps first, then contents, then the chains: nothing can be removed while something points at it. */
function removalLines(before: OurPart, keep: ReadonlySet<string>): readonly string[] {
  const jumps = before.rules.filter((rule) => !rule.chain.startsWith(OUR_PREFIX))
  const gone = before.chains.filter((chain) => !keep.has(chain))
  return [
    ...jumps.map((rule) => `-D ${rule.chain} ${rule.spec}`),
    ...gone.map((chain) => `-F ${chain}`),
    ...gone.map((chain) => `-X ${chain}`),
  ]
}

/** Order counts within a chain; between chains it does not. */
function sameRules(before: readonly SavedRule[], after: readonly IptablesRule[]): boolean {
  if (before.length !== after.length) return false
  const chains = new Set(after.map((rule) => rule.chain))
  return [...chains].every((chain) => {
    const found = before.filter((rule) => rule.chain === chain).map((rule) => normaliseRule(rule.spec))
    const expected = after.filter((rule) => rule.chain === chain).map((rule) => normaliseRule(specOf(rule)))
    return found.length === expected.length && found.every((spec, at) => spec === expected[at])
  })
}

function sameChains(before: readonly string[], after: readonly IptablesRule[]): boolean {
  const expected = ownChains(after)
  return before.length === expected.length && expected.every((chain) => before.includes(chain))
}

function ownChains(rules: readonly IptablesRule[]): readonly string[] {
  return [
    ...new Set(
      rules
        .filter((rule) => rule.match === '' && rule.target.startsWith(OUR_PREFIX))
        .map((rule) => rule.target),
    ),
  ]
}

function specOf(rule: IptablesRule): string {
  return `${rule.match} -j ${rule.target}`.trim()
}

function keyOf(chain: string, spec: string): string {
  return `${chain} ${normaliseRule(spec)}`
}

function block(table: IptablesTable, lines: readonly string[]): string {
  return `*${table}\n${lines.join('\n')}\nCOMMIT\n`
}
