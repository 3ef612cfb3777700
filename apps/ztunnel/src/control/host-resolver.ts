import type { RecordWithTtl } from 'node:dns'
import type { Clock } from '@ambient/lifecycle'
import type { HostLimits } from './host-limits.ts'

/** The part of a resolver of `node:dns` that is used. */
export interface HostLookup {
  resolve4(hostname: string, options: { readonly ttl: true }): Promise<RecordWithTtl[]>
  resolve6(hostname: string, options: { readonly ttl: true }): Promise<RecordWithTtl[]>
}

export interface HostResolverDeps {
  readonly lookup: HostLookup
  readonly clock: Clock
  readonly limits: HostLimits
  readonly onLimit: () => void
}

export interface ResolvedHost {
  readonly addresses: readonly string[]
  /** How much longer they may be used. */
  readonly ttlMs: number
}

interface Entry {
  readonly outcome: { readonly addresses: readonly string[] } | { readonly failure: string }
  readonly untilMs: number
}

/**
 * Addresses of endpoints that are known by host name. By ztunnel's own name servers, not by those of any pod: the
 * endpoint is the mesh's to find.
 */
export class HostResolver {
  readonly #deps: HostResolverDeps
  readonly #cached = new Map<string, Entry>()
  readonly #inFlight = new Map<string, Promise<ResolvedHost>>()

  constructor(deps: HostResolverDeps) {
    this.#deps = deps
  }

  /** Rejects with what DNS said, for some time without asking again. */
  resolve(hostname: string): Promise<ResolvedHost> {
    const { clock, limits, onLimit } = this.#deps
    const entry = this.#cached.get(hostname)
    const leftMs = (entry?.untilMs ?? 0) - clock.monotonicMs()
    if (entry !== undefined && leftMs > 0) {
      return 'failure' in entry.outcome
        ? Promise.reject(new Error(entry.outcome.failure))
        : Promise.resolve({ addresses: entry.outcome.addresses, ttlMs: leftMs })
    }
    const running = this.#inFlight.get(hostname)
    if (running !== undefined) return running
    if (this.#inFlight.size >= limits.hostsInFlight) {
      onLimit()
      return Promise.reject(new Error(`Cannot resolve ${hostname}: too many host names at once`))
    }
    const asked = this.#ask(hostname).finally(() => this.#inFlight.delete(hostname))
    this.#inFlight.set(hostname, asked)
    return asked
  }

  async #ask(hostname: string): Promise<ResolvedHost> {
    const { lookup, limits } = this.#deps
    const [v4, v6] = await Promise.allSettled([
      lookup.resolve4(hostname, { ttl: true }),
      lookup.resolve6(hostname, { ttl: true }),
    ])
    const records = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (records.length === 0) {
      const failure = `no ip addresses were resolved for ${hostname}: ${reasonOf([v4, v6])}`
      this.#keep(hostname, { failure }, limits.failedMs)
      throw new Error(failure)
    }
    const addresses = records.map(({ address }) => address)
    const shortestMs = Math.min(...records.map(({ ttl }) => ttl)) * 1000
    const ttlMs = Math.min(Math.max(shortestMs, limits.minTtlMs), limits.maxTtlMs)
    this.#keep(hostname, { addresses }, ttlMs)
    return { addresses, ttlMs }
  }

  #keep(hostname: string, outcome: Entry['outcome'], forMs: number): void {
    const { clock, limits } = this.#deps
    this.#cached.delete(hostname)
    const [oldest] = this.#cached.keys()
    if (oldest !== undefined && this.#cached.size >= limits.hostsCached) this.#cached.delete(oldest)
    this.#cached.set(hostname, { outcome, untilMs: clock.monotonicMs() + forMs })
  }
}

/** One family without a record is no failure beside an error of the other. */
function reasonOf(answers: readonly PromiseSettledResult<unknown>[]): string {
  const texts = answers.flatMap((answer) =>
    answer.status === 'rejected' && answer.reason instanceof Error ? [answer.reason.message] : [],
  )
  return [...new Set(texts)].join(', ') || 'the answer is empty'
}
