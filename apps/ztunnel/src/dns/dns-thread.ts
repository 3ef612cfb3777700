import type { EventLoop } from '@ambient/event-loop'
import type { Random } from '@ambient/lifecycle'
import { Arena, MAX_DATAGRAM_BYTES, type SocketAddress } from '@ambient/linux'
import { type DnsLimits, dnsLimits } from './dns-limits.ts'
import { DnsReport, type DnsReportDeps } from './dns-report.ts'

/** What the control thread tells a byte thread of DNS. */
export interface DnsSettings {
  /** Where pods’ queries are redirected to; those of IPv6 are left out in a pod that has none. */
  readonly addresses: readonly SocketAddress[]
  readonly nameservers: readonly SocketAddress[]
  readonly clusterDomain: string
  /** Undefined for what Kubernetes gives a pod by its namespace. */
  readonly searchDomains: readonly string[] | undefined
  readonly preferredNamespace: string | undefined
}

/** What all pods of one thread share for DNS. */
export interface DnsThread {
  readonly loop: EventLoop
  readonly random: Random
  readonly settings: DnsSettings
  readonly limits: DnsLimits
  readonly report: DnsReport
  /** Every message of the thread passes here, and none stays. */
  readonly arena: Arena
  /** Queries that wait. */
  readonly pending: { count: number }
}

export interface DnsThreadDeps extends Pick<DnsReportDeps, 'post' | 'log' | 'isLogged'> {
  readonly loop: EventLoop
  readonly random: Random
  readonly limits?: Partial<DnsLimits>
}

/** Room for a message over TCP, behind its length. */
const ARENA_BYTES = MAX_DATAGRAM_BYTES + 2

/** Nothing for no settings: then the thread has no part in DNS. */
export function openDnsThread(settings: DnsSettings | undefined, deps: DnsThreadDeps): DnsThread | undefined {
  if (settings === undefined) return undefined
  const { loop, random, post, log, isLogged } = deps
  const limits = dnsLimits(deps.limits)
  const report = new DnsReport({
    post,
    log,
    isLogged,
    after: (delayMs, fire) => loop.after(delayMs, fire),
    maxDurations: limits.dnsDurations,
  })
  return { loop, random, settings, limits, report, arena: new Arena(ARENA_BYTES), pending: { count: 0 } }
}
