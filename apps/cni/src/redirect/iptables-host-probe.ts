import { FirewallChanges, type NetworkNamespace } from '@ambient/linux'
import type { IptablesPrograms } from './choose-iptables.ts'
import {
  type HostProbe,
  ownedEntries,
  PROBE_SETS,
  type ProbeEntry,
  probeFamilies,
  probeSetOf,
  usableEntries,
} from './host-probe.ts'
import { normaliseRule, parseIptablesSave, type SavedRule, type SavedTable } from './iptables-save.ts'
import type { ProbeAddresses } from './redirect-backend.ts'
import type { IpFamily } from './redirect-rules.ts'
import { mustRun, type ProgramRun, type RunProgram } from './run-program.ts'

export interface IptablesHostProbeDeps {
  readonly run: RunProgram
  readonly programs: IptablesPrograms
  /** The node's own netns. */
  readonly hostNetns: NetworkNamespace
  readonly probe: ProbeAddresses
  readonly ipv6: boolean
}

const CHAIN = 'ISTIO_POSTRT'

/** By iptables and an ipset of addresses. */
export class IptablesHostProbe implements HostProbe {
  readonly #deps: IptablesHostProbeDeps

  constructor(deps: IptablesHostProbeDeps) {
    this.#deps = deps
  }

  async ensure(): Promise<boolean> {
    let wasMissing = false
    for (const family of probeFamilies(this.#deps.ipv6)) {
      const inet = family === 'ipv4' ? 'inet' : 'inet6'
      await this.#onHost([
        'ipset',
        'create',
        '-exist',
        PROBE_SETS[family],
        'hash:ip',
        'family',
        inet,
        'comment',
      ])
      const input = planHostRules(await this.#saved(family), this.#rule(family))
      wasMissing ||= input !== ''
      await this.#restore(family, input)
    }
    return wasMissing
  }

  async add(entries: readonly ProbeEntry[]): Promise<void> {
    await this.#change(
      usableEntries(entries, this.#deps.ipv6).map(
        ({ ip, uid }) => `add ${probeSetOf(ip)} ${ip} comment "${uid}"`,
      ),
    )
  }

  async remove(entries: readonly ProbeEntry[]): Promise<void> {
    const gone = ownedEntries(entries, await this.list())
    await this.#change(gone.map(({ ip }) => `del ${probeSetOf(ip)} ${ip}`))
  }

  async list(): Promise<readonly ProbeEntry[]> {
    const outputs = await Promise.all(
      probeFamilies(this.#deps.ipv6).map((family) => this.#onHost(['ipset', 'save', PROBE_SETS[family]])),
    )
    return outputs.flatMap(parseIpsetSave)
  }

  watch(): FirewallChanges {
    return new FirewallChanges(this.#deps.hostNetns)
  }

  /** The rules first: a set in use cannot be destroyed. */
  async removeAll(): Promise<void> {
    for (const family of probeFamilies(this.#deps.ipv6)) {
      await this.#restore(family, planHostRules(await this.#saved(family), undefined))
      await this.#deps.run(['ipset', 'destroy', PROBE_SETS[family]], { netns: this.#deps.hostNetns }) // fails only when it is not there
    }
  }

  async #change(lines: readonly string[]): Promise<void> {
    const input = lines.map((line) => `${line}\n`).join('')
    if (input !== '') await this.#onHost(['ipset', 'restore', '-exist'], { input })
  }

  /** The first implementation's program makes a table that it is asked for: it is asked for all that are there. */
  async #saved(family: IpFamily): Promise<readonly SavedTable[]> {
    const { programs } = this.#deps
    const only = programs.name === 'iptables-legacy' ? [] : ['-t', 'nat']
    return parseIptablesSave(await this.#onHost([`${programs[family]}-save`, ...only]))
  }

  async #restore(family: IpFamily, input: string): Promise<void> {
    const words = [`${this.#deps.programs[family]}-restore`, '--noflush', '--wait=5']
    if (input !== '') await this.#onHost(words, { input })
  }

  #rule(family: IpFamily): string {
    const source = family === 'ipv4' ? this.#deps.probe.v4 : this.#deps.probe.v6
    return `-p tcp -m owner --socket-exists -m set --match-set ${PROBE_SETS[family]} dst -j SNAT --to-source ${source}`
  }

  #onHost(words: readonly string[], options?: ProgramRun): Promise<string> {
    return mustRun(this.#deps.run, words, { ...options, netns: this.#deps.hostNetns })
  }
}

/**
 * What `iptables-restore` needs so that our chain holds exactly `rule` and is the first to be asked in POSTROUTING, before any
 * masquerade; without a rule, so that nothing of ours is left. Empty when nothing differs. Pure.
 */
export function planHostRules(saved: readonly SavedTable[], rule: string | undefined): string {
  const nat = saved.find((table) => table.name === 'nat')
  if (rule === undefined ? !hasChain(nat) : isAsWanted(nat?.rules ?? [], rule)) return ''
  const removals = (nat?.rules ?? []).filter(isJump).map(() => `-D POSTROUTING -j ${CHAIN}`)
  const lines =
    rule === undefined
      ? [...removals, `-F ${CHAIN}`, `-X ${CHAIN}`]
      : [`:${CHAIN} - [0:0]`, ...removals, `-I POSTROUTING 1 -j ${CHAIN}`, `-A ${CHAIN} ${rule}`]
  return `*nat\n${lines.join('\n')}\nCOMMIT\n`
}

function hasChain(nat: SavedTable | undefined): boolean {
  return nat?.chains.includes(CHAIN) ?? false
}

function isAsWanted(rules: readonly SavedRule[], rule: string): boolean {
  const inside = rules.filter((each) => each.chain === CHAIN).map((each) => normaliseRule(each.spec))
  const first = rules.find((each) => each.chain === 'POSTROUTING')
  const isFirst = first !== undefined && isJump(first) && rules.filter(isJump).length === 1
  return isFirst && inside.length === 1 && inside[0] === normaliseRule(rule)
}

/** Reads `ipset save`: the addresses with their comments. Pure. */
export function parseIpsetSave(text: string): readonly ProbeEntry[] {
  return text.split('\n').flatMap((line) => {
    const [, ip, uid] = /^add \S+ (\S+)(?: comment "([^"]*)")?/.exec(line) ?? []
    return ip === undefined ? [] : [{ ip, uid: uid ?? '' }]
  })
}

function isJump(rule: SavedRule): boolean {
  return rule.chain === 'POSTROUTING' && /(^| )-j ISTIO_POSTRT$/.test(rule.spec)
}
