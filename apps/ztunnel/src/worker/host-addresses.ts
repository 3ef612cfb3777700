import { isIpv6 } from '@ambient/model'
import type { Wait } from './identity-store.ts'
import type { WaitLimits } from './wait-limits.ts'

export type HostAnswer =
  | { readonly kind: 'resolved'; readonly addresses: readonly string[] }
  | { readonly kind: 'failed'; readonly detail: string }

export interface HostAddressesDeps {
  /** Asks the control thread, which has a resolver. */
  readonly request: (hostname: string) => void
  readonly after: (delayMs: number, fire: () => void) => Wait
  readonly clock: { readonly nowMs: number }
  readonly limits: Pick<WaitLimits, 'hostWaitMs' | 'hostsKept'>
}

interface Known {
  readonly addresses: readonly string[]
  readonly untilMs: number
}

interface Waiter {
  readonly use: (answer: HostAnswer) => void
  readonly timer: Wait
}

/** Addresses of endpoints that are known by host name, for as long as DNS says, and the connections that wait for some. */
export class HostAddresses {
  readonly #deps: HostAddressesDeps
  readonly #known = new Map<string, Known>()
  readonly #waiting = new Map<string, Set<Waiter>>()

  constructor(deps: HostAddressesDeps) {
    this.#deps = deps
  }

  get(hostname: string): readonly string[] | undefined {
    const known = this.#known.get(hostname)
    if (known === undefined || known.untilMs > this.#deps.clock.nowMs) return known?.addresses
    this.#known.delete(hostname)
    return undefined
  }

  /** Calls `use` exactly once, later. */
  wait(hostname: string, use: (answer: HostAnswer) => void): Wait {
    const { after, limits, request } = this.#deps
    const waiters = this.#waiting.get(hostname) ?? new Set<Waiter>()
    const leave = (): void => {
      waiter.timer.cancel()
      waiters.delete(waiter)
      if (waiters.size === 0 && this.#waiting.get(hostname) === waiters) this.#waiting.delete(hostname)
    }
    const timer = after(limits.hostWaitMs, () => {
      leave()
      use({ kind: 'failed', detail: `${hostname} was not resolved within ${limits.hostWaitMs} ms` })
    })
    const waiter: Waiter = { use, timer }
    waiters.add(waiter)
    if (waiters.size === 1) {
      this.#waiting.set(hostname, waiters)
      request(hostname)
    }
    return { cancel: leave }
  }

  resolved(hostname: string, addresses: readonly string[], ttlMs: number): void {
    const { clock, limits } = this.#deps
    this.#known.delete(hostname)
    const [oldest] = this.#known.keys()
    if (oldest !== undefined && this.#known.size >= limits.hostsKept) this.#known.delete(oldest)
    this.#known.set(hostname, { addresses, untilMs: clock.nowMs + ttlMs })
    this.#answer(hostname, { kind: 'resolved', addresses })
  }

  failed(hostname: string, detail: string): void {
    this.#answer(hostname, { kind: 'failed', detail })
  }

  #answer(hostname: string, answer: HostAnswer): void {
    const waiters = this.#waiting.get(hostname)
    this.#waiting.delete(hostname)
    for (const { use, timer } of waiters ?? []) {
      timer.cancel()
      use(answer)
    }
  }
}

/** One of them by chance, of the family of `requestedIp` if there is one. `addresses` must not be empty. */
export function drawAddress(
  addresses: readonly string[],
  requestedIp: string,
  random: { float(): number },
): string {
  const matching = addresses.filter((ip) => isIpv6(ip) === isIpv6(requestedIp))
  const pool = matching.length > 0 ? matching : addresses
  return pool[Math.floor(random.float() * pool.length)] ?? ''
}
