import type { NetworkNamespace } from '@ambient/linux'
import { isIpv6 } from '@ambient/model'
import { normaliseRule, parseIptablesSave, type SavedRule, type SavedTable } from './iptables-save.ts'
import type { ProbeAddresses } from './redirect-backend.ts'
import type { IpFamily } from './redirect-rules.ts'
import { mustRun, type ProgramRun, type RunProgram } from './run-program.ts'

/** One address of the set: which pod it belongs to is written beside it, so that a reused address is never taken from its new pod. */
export interface ProbeEntry {
  readonly ip: string
  readonly uid: string
}

export interface HostProbeDeps {
  readonly run: RunProgram
  /** The node's own netns. */
  readonly hostNetns: NetworkNamespace
  readonly probe: ProbeAddresses
  readonly ipv6: boolean
}

const CHAIN = 'ISTIO_POSTRT'
const SETS: Readonly<Record<IpFamily, string>> = {
  ipv4: 'istio-inpod-probes-v4',
  ipv6: 'istio-inpod-probes-v6',
}

/**
 * The node's side: what a process of the node itself (the kubelet) sends to an enrolled pod gets the probe address as its
 * source, by which the pod's rules let it in. Nothing else on the host is changed.
 */
export class HostProbe {
  readonly #deps: HostProbeDeps

  constructor(deps: HostProbeDeps) {
    this.#deps = deps
  }

  /** Makes sets and rules where they are missing; changes nothing when all is there. */
  async ensure(): Promise<void> {
    for (const family of this.#families()) {
      const inet = family === 'ipv4' ? 'inet' : 'inet6'
      await this.#onHost(['ipset', 'create', '-exist', SETS[family], 'hash:ip', 'family', inet, 'comment'])
      const saved = parseIptablesSave(await this.#onHost([`${iptables(family)}-save`, '-t', 'nat']))
      const input = planHostRules(saved, this.#rule(family))
      if (input !== '')
        await this.#onHost([`${iptables(family)}-restore`, '--noflush', '--wait=5'], { input })
    }
  }

  async add(entries: readonly ProbeEntry[]): Promise<void> {
    await this.#change(entries, ({ ip, uid }) => [`add ${this.#setOf(ip)} ${ip} comment "${uid}"`])
  }

  /** Removes addresses that still belong to the named pod. */
  async remove(entries: readonly ProbeEntry[]): Promise<void> {
    const there = new Map((await this.list()).map(({ ip, uid }) => [ip, uid]))
    await this.#change(entries, ({ ip, uid }) =>
      there.get(ip) === uid ? [`del ${this.#setOf(ip)} ${ip}`] : [],
    )
  }

  async list(): Promise<readonly ProbeEntry[]> {
    const outputs = await Promise.all(
      this.#families().map((family) => this.#onHost(['ipset', 'save', SETS[family]])),
    )
    return outputs.flatMap(parseIpsetSave)
  }

  /** Takes everything off the host. The rules first: a set in use cannot be destroyed. */
  async removeAll(): Promise<void> {
    for (const family of this.#families()) {
      const saved = parseIptablesSave(await this.#onHost([`${iptables(family)}-save`, '-t', 'nat']))
      const input = planHostRules(saved, undefined)
      if (input !== '')
        await this.#onHost([`${iptables(family)}-restore`, '--noflush', '--wait=5'], { input })
      await this.#deps.run(this.#words(['ipset', 'destroy', SETS[family]])) // fails only when it is not there
    }
  }

  async #change(
    entries: readonly ProbeEntry[],
    lines: (entry: ProbeEntry) => readonly string[],
  ): Promise<void> {
    const usable = entries.filter(({ ip }) => this.#deps.ipv6 || !isIpv6(ip))
    const input = usable
      .flatMap(lines)
      .map((line) => `${line}\n`)
      .join('')
    if (input !== '') await this.#onHost(['ipset', 'restore', '-exist'], { input })
  }

  #rule(family: IpFamily): string {
    const source = family === 'ipv4' ? this.#deps.probe.v4 : this.#deps.probe.v6
    return `-p tcp -m owner --socket-exists -m set --match-set ${SETS[family]} dst -j SNAT --to-source ${source}`
  }

  #setOf(ip: string): string {
    return SETS[isIpv6(ip) ? 'ipv6' : 'ipv4']
  }

  #families(): readonly IpFamily[] {
    return this.#deps.ipv6 ? ['ipv4', 'ipv6'] : ['ipv4']
  }

  #onHost(words: readonly string[], options?: ProgramRun): Promise<string> {
    return mustRun(this.#deps.run, this.#words(words), options)
  }

  #words(words: readonly string[]): readonly string[] {
    return ['nsenter', `--net=/proc/${process.pid}/fd/${this.#deps.hostNetns.fd}`, '--', ...words]
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

function iptables(family: IpFamily): string {
  return family === 'ipv4' ? 'iptables' : 'ip6tables'
}
