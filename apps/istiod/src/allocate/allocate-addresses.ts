import type { Collection } from '@ambient/collections'
import { KubeError, objectKey, type ResourceWriter } from '@ambient/kube'
import type { Clock } from '@ambient/lifecycle'
import type { AddressClaim, HostAddress } from '../translate/entries/address-claims.ts'
import { ALLOCATE_LIMITS } from './allocate-limits.ts'
import {
  type AddressPlan,
  type AddressRanges,
  type AddressWrite,
  type Cursors,
  planAddresses,
} from './plan-addresses.ts'

export interface AllocateDeps {
  readonly claims: Collection<AddressClaim>
  readonly writer: Pick<ResourceWriter, 'applyStatus'>
  readonly clock: Clock
  readonly ranges: AddressRanges
  readonly onWrite: (outcome: AllocateOutcome) => void
  /** Told after each pass which hosts have to do without. */
  readonly onExhausted: (hosts: AddressPlan['exhausted']) => void
}

/** What became of one attempt to write; `given-up` is one that is tried again only when something changes. */
export type AllocateOutcome =
  | { readonly kind: 'written'; readonly write: AddressWrite }
  | { readonly kind: 'failed' | 'given-up'; readonly write: AddressWrite; readonly cause: unknown }

/** Fields of a status belong to who wrote them. */
const OWNER = { owner: 'istio-ip-autoallocate' }

/**
 * Gives virtual IPs to the ServiceEntries that want some, into their status, until `signal` aborts. Each pass looks at
 * all of them again, the first included: what is in use is known before anything is given out.
 */
export async function allocateAddresses(deps: AllocateDeps, signal: AbortSignal): Promise<void> {
  const allocator = new Allocator(deps)
  let changed = Promise.withResolvers<void>()
  const wake = (): void => changed.resolve()
  const stop = deps.claims.onChange(wake)
  signal.addEventListener('abort', wake)
  let failures = 0
  try {
    while (!signal.aborted) {
      changed = Promise.withResolvers()
      const isLast = failures + 1 === ALLOCATE_LIMITS.attempts.value
      const isDone = await allocator.pass(isLast ? 'given-up' : 'failed', signal)
      failures = isDone || isLast ? 0 : failures + 1
      if (failures > 0) {
        const delayMs = ALLOCATE_LIMITS.retryMs.value * 2 ** (failures - 1)
        void deps.clock.sleep(delayMs, signal).then(wake, () => {}) // rejects only when it is to end
      }
      if (!signal.aborted) await changed.promise
    }
  } finally {
    stop()
    signal.removeEventListener('abort', wake)
  }
}

class Allocator {
  readonly #deps: AllocateDeps
  #cursors: Cursors = { ipv4: undefined, ipv6: undefined }
  /** What was written to entries that are still read as they were before. */
  readonly #written = new Map<
    string,
    { readonly resourceVersion: string; readonly addresses: readonly HostAddress[] }
  >()

  constructor(deps: AllocateDeps) {
    this.#deps = deps
  }

  /** @returns whether everything that was planned has been written. */
  async pass(onFailure: 'failed' | 'given-up', signal: AbortSignal): Promise<boolean> {
    const plan = planAddresses(this.#claims(), this.#deps.ranges, this.#cursors)
    this.#cursors = plan.cursors
    let isDone = true
    for (const write of plan.writes) {
      if (signal.aborted) return false
      isDone = (await this.#write(write, onFailure)) && isDone
    }
    this.#deps.onExhausted(plan.exhausted)
    return isDone
  }

  #claims(): readonly AddressClaim[] {
    return [...this.#deps.claims.entries()].map(([key, claim]) => {
      const written = this.#written.get(key)
      if (written?.resourceVersion === claim.resourceVersion)
        return { ...claim, allocated: written.addresses }
      this.#written.delete(key)
      return claim
    })
  }

  async #write(write: AddressWrite, onFailure: 'failed' | 'given-up'): Promise<boolean> {
    const { claim, addresses } = write
    try {
      // An empty list and not nothing: there may be addresses that somebody else has written.
      const listed = addresses.map(({ host, ip }) => ({ value: ip, host }))
      await this.#deps.writer.applyStatus(claim.ref, { addresses: listed }, OWNER)
    } catch (cause) {
      if (cause instanceof KubeError && isGone(cause)) return true // its end, or its next incarnation, is on its way here
      this.#deps.onWrite({ kind: onFailure, write, cause })
      return false
    }
    this.#written.set(objectKey(claim.ref), { resourceVersion: claim.resourceVersion, addresses })
    this.#deps.onWrite({ kind: 'written', write })
    return true
  }
}

function isGone({ code }: KubeError): boolean {
  return code === 'OBJECT_NOT_FOUND' || code === 'OBJECT_REPLACED'
}
