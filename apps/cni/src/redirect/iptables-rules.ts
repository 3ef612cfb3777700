import { rmSync } from 'node:fs'
import { legacyTables, type NetworkNamespace } from '@ambient/linux'
import type { IptablesPrograms } from './choose-iptables.ts'
import { parseIptablesSave, type SavedTable } from './iptables-save.ts'
import { mayHoldNftTables, type PacketRules, type RulesThere } from './packet-rules.ts'
import { hasOurs, planApply, planRemoval } from './plan-iptables.ts'
import type { BackendName, RedirectSettings } from './redirect-backend.ts'
import { type IpFamily, type IptablesTable, redirectRules } from './redirect-rules.ts'
import { mustRun, type RunProgram } from './run-program.ts'

export interface IptablesDeps {
  readonly run: RunProgram
  /** Where lock files lie: each invocation has its own, since `/run/xtables.lock` is shared by every netns of the host. */
  readonly lockDirectory: string | undefined
}

interface FamilyRules {
  readonly family: IpFamily
  readonly tables: readonly SavedTable[]
}

const OURS: readonly IptablesTable[] = ['mangle', 'nat', 'raw']

/** Rules by iptables, of one of the kernel's two implementations. */
export class IptablesRules implements PacketRules {
  readonly name: BackendName
  readonly #programs: IptablesPrograms
  readonly #deps: IptablesDeps
  #locks = 0

  constructor(programs: IptablesPrograms, deps: IptablesDeps) {
    this.name = programs.name
    this.#programs = programs
    this.#deps = deps
  }

  async read(netns: NetworkNamespace, families: readonly IpFamily[]): Promise<RulesThere> {
    const found: readonly FamilyRules[] = await allOf(
      families.map(async (family) => ({
        family,
        tables: await this.#saved(netns, family),
      })),
    )
    const each = async (input: (rules: FamilyRules) => string): Promise<void> => {
      await allOf(found.map((rules) => this.#restore(netns, rules.family, input(rules))))
    }
    return {
      redirects: found.some(({ tables }) => hasOurs(tables, ['nat'])),
      others: found.some(({ tables }) => hasOurs(tables, ['mangle', 'raw'])),
      missing: (settings) => Promise.resolve(found.flatMap((rules) => missingIn(rules, settings))),
      write: (settings) => each((rules) => planFor(rules, settings).input),
      // The base chains of nat stay for now: without its hooks, connections that are already redirected would lose their translation.
      removeRedirects: () => each(({ tables }) => planRemoval(tables, ['nat'])),
      removeAll: async () => {
        await each(({ tables }) => planRemoval(tables, OURS))
        for (const rules of found) await this.#dropBaseChains(netns, rules)
      },
    }
  }

  /** A netns that has no table at all, as most when they are enrolled, is not asked by a program. */
  async #saved(netns: NetworkNamespace, family: IpFamily): Promise<readonly SavedTable[]> {
    const mayHaveRules =
      this.name === 'iptables-nft'
        ? mayHoldNftTables(netns, [family])
        : netns.enter(() => legacyTables(family)).length > 0
    if (!mayHaveRules) return []
    return parseIptablesSave(await mustRun(this.#deps.run, [this.#program(family, '-save')], { netns }))
  }

  async #restore(netns: NetworkNamespace, family: IpFamily, input: string): Promise<void> {
    if (input === '') return
    const { lockDirectory, run } = this.#deps
    const words = [this.#program(family, '-restore'), '--noflush', '--wait=5']
    if (lockDirectory === undefined) return void (await mustRun(run, words, { netns, input }))
    const lock = `${lockDirectory}/xtables-${++this.#locks}.lock`
    try {
      await mustRun(run, words, { netns, input, environment: { XTABLES_LOCKFILE: lock } })
    } finally {
      rmSync(lock, { force: true })
    }
  }

  /** Leaves no hook behind in tables that hold nobody's rules. Legacy iptables cannot do that, and need not. */
  async #dropBaseChains(netns: NetworkNamespace, { family, tables }: FamilyRules): Promise<void> {
    for (const table of tables) {
      const others =
        table.rules.some((rule) => !/ISTIO_/.test(`${rule.chain} ${rule.spec}`)) ||
        table.chains.some((chain) => !chain.startsWith('ISTIO_'))
      if (others || !OURS.some((name) => name === table.name)) continue
      const input = `*${table.name}\n-X PREROUTING\n-X OUTPUT\nCOMMIT\n`
      await this.#deps.run([this.#program(family, '-restore'), '--noflush'], { netns, input })
    }
  }

  #program(family: IpFamily, verb: '-save' | '-restore'): string {
    return `${this.#programs[family]}${verb}`
  }
}

/** Of works at the same time; none goes on behind a failure. @throws what the first of them throws */
async function allOf<T>(works: readonly Promise<T>[]): Promise<readonly T[]> {
  await Promise.allSettled(works)
  return Promise.all(works)
}

function planFor({ family, tables }: FamilyRules, settings: RedirectSettings): ReturnType<typeof planApply> {
  const isWanted = family === 'ipv4' || settings.ipv6
  return planApply(tables, isWanted ? redirectRules(family, settings) : [])
}

function missingIn(rules: FamilyRules, settings: RedirectSettings): readonly string[] {
  const { input, missing } = planFor(rules, settings)
  if (input === '') return []
  const lines = missing.length === 0 ? ['rules are out of order, or there are too many'] : missing
  return lines.map((line) => `${rules.family}: ${line}`)
}
