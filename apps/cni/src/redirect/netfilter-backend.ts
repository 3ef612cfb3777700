import {
  addMarkedRouting,
  findMarkedRouting,
  FirewallChanges,
  type MarkedRoutingParts,
  type NetworkNamespace,
  removeMarkedRouting,
} from '@ambient/linux'
import { errorText } from '@ambient/lifecycle'
import { CniError } from '../cni-error.ts'
import type { PacketRules, RulesThere } from './packet-rules.ts'
import { connectionsOutside, tcpTable } from './pod-connections.ts'
import { keepUnknownConnections, type PodSysctls, reservePorts, restoreSysctls } from './pod-sysctls.ts'
import { policyRouting } from './policy-routing.ts'
import type {
  Applied,
  BackendName,
  PodAge,
  RedirectBackend,
  RedirectSettings,
  RedirectState,
  SettingsBefore,
} from './redirect-backend.ts'
import type { IpFamily } from './redirect-rules.ts'

export interface NetfilterDeps {
  readonly sysctls: PodSysctls
  readonly rules: PacketRules
}

interface Found {
  readonly routes: readonly FamilyRouting[]
  readonly rules: RulesThere
}

interface FamilyRouting {
  readonly family: IpFamily
  readonly parts: MarkedRoutingParts
  /** Not where lo has no IPv6 (istio/istio#52858). */
  readonly canRoute: boolean
}

/**
 * Redirection by the kernel's packet filter and connection tracking: packet rules, whichever program writes them, and the
 * policy routing that brings an app's answers back to ztunnel.
 */
export class NetfilterBackend implements RedirectBackend {
  readonly name: BackendName
  readonly #deps: NetfilterDeps

  constructor(deps: NetfilterDeps) {
    this.name = deps.rules.name
    this.#deps = deps
  }

  async inspect(netns: NetworkNamespace, settings: RedirectSettings): Promise<RedirectState> {
    const { routes, rules } = await this.#look(netns)
    const missing = [
      ...(await rules.missing(settings)),
      ...routes.flatMap((each) => missingRoutes(each, settings)),
    ]
    if (missing.length === 0) return { kind: 'complete' }
    if (rules.redirects) return { kind: 'partial', missing }
    // Routes alone say nothing of who made them: another backend may be at work.
    return { kind: rules.others ? 'draining' : 'absent' }
  }

  reservePorts(netns: NetworkNamespace): SettingsBefore {
    return reservePorts(this.#deps.sysctls, netns)
  }

  async apply(netns: NetworkNamespace, settings: RedirectSettings, age: PodAge): Promise<Applied> {
    const { routes, rules } = await this.#look(netns)
    for (const { family, parts, canRoute } of routes) {
      if (canRoute && isWanted(family, settings))
        route(netns, () => addMarkedRouting(policyRouting(family), parts))
    }
    const before = age === 'new' ? {} : keepUnknownConnections(this.#deps.sysctls, netns)
    const isFresh = age === 'running' && !rules.redirects
    const earlier = isFresh ? tcpTable(netns) : []
    await rules.write(settings)
    const kept =
      isFresh || age === 'enrolled'
        ? connectionsOutside(netns, { earlier, probe: settings.probe })
        : undefined
    const state = await this.inspect(netns, settings)
    if (state.kind === 'complete') return { kept, before }
    throw new CniError(
      'RULES_NOT_VERIFIED',
      `Cannot verify redirect rules: ${state.kind === 'partial' ? state.missing.join('; ') : state.kind}`,
    )
  }

  watch(netns: NetworkNamespace): FirewallChanges {
    return new FirewallChanges(netns)
  }

  async stopRedirecting(netns: NetworkNamespace): Promise<void> {
    const { rules } = await this.#look(netns)
    if (rules.redirects) await rules.removeRedirects()
  }

  async withdraw(netns: NetworkNamespace): Promise<void> {
    const { rules } = await this.#look(netns)
    if (rules.redirects || rules.others) await rules.removeAll()
  }

  async remove(netns: NetworkNamespace, before: SettingsBefore): Promise<void> {
    const { routes, rules } = await this.#look(netns)
    // The rules last: as long as one is there, the next agent knows that there is something to remove.
    for (const { family, parts } of routes)
      route(netns, () => removeMarkedRouting(policyRouting(family), parts))
    await rules.removeAll()
    restoreSysctls(this.#deps.sysctls, netns, before)
  }

  async #look(netns: NetworkNamespace): Promise<Found> {
    const v6 = this.#deps.sysctls.read(netns, 'net/ipv6/conf/lo/disable_ipv6') // absent: a kernel without IPv6
    const families: readonly IpFamily[] = v6 === undefined ? ['ipv4'] : ['ipv4', 'ipv6']
    const routes = families.map((family) => ({
      family,
      parts: route(netns, () => findMarkedRouting(policyRouting(family))),
      canRoute: family === 'ipv4' || v6 === '0',
    }))
    return { rules: await this.#deps.rules.read(netns, families), routes }
  }
}

/** @throws {CniError} `RULES_FAILED` with what the kernel said */
function route<T>(netns: NetworkNamespace, step: () => T): T {
  try {
    return netns.enter(step)
  } catch (cause) {
    throw new CniError('RULES_FAILED', `Cannot read or change policy routing: ${errorText(cause)}`, { cause })
  }
}

function isWanted(family: IpFamily, settings: RedirectSettings): boolean {
  return family === 'ipv4' || settings.ipv6
}

function missingRoutes(
  { family, parts, canRoute }: FamilyRouting,
  settings: RedirectSettings,
): readonly string[] {
  const isWhole = !canRoute || !isWanted(family, settings) || (parts.rule && parts.route)
  return isWhole ? [] : [`${family}: policy routing to table 100`]
}
