import { readFileSync, rmSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import type { NetworkNamespace } from '@ambient/linux'
import { canonicalIp } from '@ambient/model'
import { CniError } from '../cni-error.ts'
import { parseIptablesSave, type SavedTable } from './iptables-save.ts'
import { hasOurs, planApply, planRemoval } from './plan-iptables.ts'
import { keepUnknownConnections, type PodSysctls, reservePorts, restoreSysctls } from './pod-sysctls.ts'
import {
  parsePolicyRouting,
  type PolicyRouting,
  policyRoutingQuery,
  policyRoutingToAdd,
  policyRoutingToRemove,
} from './policy-routing.ts'
import type {
  Applied,
  PodAge,
  RedirectBackend,
  RedirectSettings,
  RedirectState,
  SettingsBefore,
} from './redirect-backend.ts'
import { type IpFamily, type IptablesTable, redirectRules } from './redirect-rules.ts'
import { mustRun, type ProgramRun, type RunProgram } from './run-program.ts'
import {
  describeConnection,
  keptConnections,
  lateConnections,
  parseMarkedSockets,
  parseTcpTable,
  type TcpConnection,
} from './tcp-connections.ts'

export interface IptablesBackendDeps {
  readonly run: RunProgram
  readonly sysctls: PodSysctls
  /** Where lock files lie: each invocation has its own, since `/run/xtables.lock` is shared by every netns of the host. */
  readonly lockDirectory: string
}

interface Found {
  readonly family: IpFamily
  readonly tables: readonly SavedTable[]
  readonly routing: PolicyRouting
  readonly canRoute: boolean
}

const PROGRAM: Readonly<Record<IpFamily, string>> = { ipv4: 'iptables', ipv6: 'ip6tables' }
const KEPT_FOR_TUNNELS: readonly IptablesTable[] = ['mangle', 'raw']

/** Redirection by iptables, legacy or nft flavour, whichever the host has under that name. */
export class IptablesBackend implements RedirectBackend {
  readonly name = 'iptables'
  readonly #deps: IptablesBackendDeps
  #locks = 0

  constructor(deps: IptablesBackendDeps) {
    this.#deps = deps
  }

  async inspect(netns: NetworkNamespace, settings: RedirectSettings): Promise<RedirectState> {
    const found = await this.#look(netns)
    const missing = found.flatMap((each) => missingIn(each, settings))
    if (missing.length === 0) return { kind: 'complete' }
    if (found.some(({ tables }) => hasOurs(tables, ['nat']))) return { kind: 'partial', missing }
    const rest = found.some(
      ({ tables, routing }) => hasOurs(tables, KEPT_FOR_TUNNELS) || routing.rule || routing.route,
    )
    return { kind: rest ? 'draining' : 'absent' }
  }

  reservePorts(netns: NetworkNamespace): SettingsBefore {
    return reservePorts(this.#deps.sysctls, netns)
  }

  async apply(netns: NetworkNamespace, settings: RedirectSettings, age: PodAge): Promise<Applied> {
    const found = wantedFamilies(await this.#look(netns), settings)
    for (const each of found)
      await this.#route(
        netns,
        each.family,
        each.canRoute ? policyRoutingToAdd(each.family, each.routing) : '',
      )
    const before = age === 'running' ? keepUnknownConnections(this.#deps.sysctls, netns) : {}
    const isFresh = age === 'running' && !found.some(({ tables }) => hasOurs(tables, ['nat']))
    const earlier = isFresh ? tcpTable(netns) : []
    for (const each of found) {
      await this.#restore(
        netns,
        each.family,
        planApply(each.tables, redirectRules(each.family, settings)).input,
      )
    }
    const kept = isFresh ? await this.#keptSince(netns, earlier) : undefined
    const state = await this.inspect(netns, settings)
    if (state.kind === 'complete') return { kept, before }
    throw new CniError(
      'RULES_NOT_VERIFIED',
      `Cannot verify redirect rules: ${state.kind === 'partial' ? state.missing.join('; ') : state.kind}`,
    )
  }

  async stopRedirecting(netns: NetworkNamespace): Promise<void> {
    // The base chains of nat stay for now: without its hooks, connections that are already redirected would lose their translation.
    for (const { family, tables } of await this.#look(netns))
      await this.#restore(netns, family, planRemoval(tables, ['nat']))
  }

  async remove(netns: NetworkNamespace, before: SettingsBefore): Promise<void> {
    for (const { family, tables, routing } of await this.#look(netns)) {
      await this.#restore(netns, family, planRemoval(tables, ['mangle', 'nat', 'raw']))
      await this.#route(netns, family, policyRoutingToRemove(family, routing))
      await this.#dropBaseChains(netns, family, tables)
    }
    restoreSysctls(this.#deps.sysctls, netns, before)
  }

  /** What was open before the rules came, and what was opened while they were being written. */
  async #keptSince(
    netns: NetworkNamespace,
    earlier: readonly TcpConnection[],
  ): Promise<readonly TcpConnection[]> {
    const ownIps = ownAddresses(netns)
    const late = lateConnections(earlier, tcpTable(netns), ownIps)
    if (late.length === 0) return keptConnections(earlier, ownIps)
    const text = await this.#inPod(netns, ['ss', '--tcp', '--numeric', '--no-header', '--extended'])
    const marked = new Set(parseMarkedSockets(text).map(describeConnection))
    return [
      ...keptConnections(earlier, ownIps),
      ...late.filter((each) => !marked.has(describeConnection(each))),
    ]
  }

  async #look(netns: NetworkNamespace): Promise<readonly Found[]> {
    const v6 = this.#deps.sysctls.read(netns, 'net/ipv6/conf/lo/disable_ipv6') // absent: a kernel without IPv6
    const families: readonly IpFamily[] = v6 === undefined ? ['ipv4'] : ['ipv4', 'ipv6']
    return Promise.all(
      families.map(async (family) => {
        const [saved, routing] = await Promise.all([
          this.#inPod(netns, [`${PROGRAM[family]}-save`]),
          this.#inPod(netns, ['ip', familyFlag(family), '-force', '-batch', '-'], {
            input: policyRoutingQuery,
          }),
        ])
        const canRoute = family === 'ipv4' || v6 === '0'
        return { family, tables: parseIptablesSave(saved), routing: parsePolicyRouting(routing), canRoute }
      }),
    )
  }

  async #restore(netns: NetworkNamespace, family: IpFamily, input: string): Promise<void> {
    if (input === '') return
    const lock = `${this.#deps.lockDirectory}/xtables-${++this.#locks}.lock`
    try {
      const environment = { XTABLES_LOCKFILE: lock }
      await this.#inPod(netns, [`${PROGRAM[family]}-restore`, '--noflush', '--wait=5'], {
        input,
        environment,
      })
    } finally {
      rmSync(lock, { force: true })
    }
  }

  async #route(netns: NetworkNamespace, family: IpFamily, input: string): Promise<void> {
    if (input !== '') await this.#inPod(netns, ['ip', familyFlag(family), '-batch', '-'], { input })
  }

  /** Leaves no hook behind in tables that hold nobody's rules. Legacy iptables cannot do that, and need not. */
  async #dropBaseChains(
    netns: NetworkNamespace,
    family: IpFamily,
    tables: readonly SavedTable[],
  ): Promise<void> {
    for (const table of tables) {
      const others =
        table.rules.some((rule) => !/ISTIO_/.test(`${rule.chain} ${rule.spec}`)) ||
        table.chains.some((chain) => !chain.startsWith('ISTIO_'))
      if (others || !['mangle', 'nat', 'raw'].includes(table.name)) continue
      const input = `*${table.name}\n-X PREROUTING\n-X OUTPUT\nCOMMIT\n`
      await this.#deps.run(inNetns(netns, [`${PROGRAM[family]}-restore`, '--noflush']), { input })
    }
  }

  #inPod(netns: NetworkNamespace, words: readonly string[], options?: ProgramRun): Promise<string> {
    return mustRun(this.#deps.run, inNetns(netns, words), options)
  }
}

/** The connections of the pod as they are now; synchronous, for what must not change meanwhile. */
export function tcpTable(netns: NetworkNamespace): readonly TcpConnection[] {
  return netns.enter(() =>
    ['tcp', 'tcp6'].flatMap((name) => parseTcpTable(readOrEmpty(`/proc/thread-self/net/${name}`))),
  )
}

/** The addresses of the pod's own interfaces, loopback included. */
export function ownAddresses(netns: NetworkNamespace): ReadonlySet<string> {
  const interfaces = netns.enter(() => networkInterfaces())
  const all = Object.values(interfaces).flatMap((each) => each ?? [])
  return new Set(all.flatMap(({ address }) => canonicalIp(address) ?? []))
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // no IPv6 in this kernel
  }
}

function inNetns(netns: NetworkNamespace, words: readonly string[]): readonly string[] {
  return ['nsenter', `--net=/proc/${process.pid}/fd/${netns.fd}`, '--', ...words]
}

function familyFlag(family: IpFamily): string {
  return family === 'ipv4' ? '-4' : '-6'
}

function wantedFamilies(found: readonly Found[], settings: RedirectSettings): readonly Found[] {
  return found.filter(({ family }) => family === 'ipv4' || settings.ipv6)
}

/** What is not as it must be, as lines; empty for a family that is not wanted. */
function missingIn(found: Found, settings: RedirectSettings): readonly string[] {
  if (wantedFamilies([found], settings).length === 0) return []
  const { family, tables, routing, canRoute } = found
  const plan = planApply(tables, redirectRules(family, settings))
  const rules =
    plan.input === ''
      ? []
      : plan.missing.length === 0
        ? ['rules are out of order, or there are too many']
        : plan.missing
  const routes = canRoute && !(routing.rule && routing.route) ? ['policy routing to table 100'] : []
  return [...rules, ...routes].map((line) => `${family}: ${line}`)
}
