import type { DeltaResponse } from '@ambient/xds-proto'
import { XDS_LIMITS } from './limits.ts'

export interface AddressDemandEvents {
  /** What is known of these names has been given to the sink, and will be kept up to date. */
  readonly onAnswered: (names: readonly string[]) => void
  /** These names, of which nothing was known, are followed no longer. */
  readonly onDropped: (names: readonly string[]) => void
  readonly onLimit?: (limit: 'pendingDemands' | 'absentDemands') => void
}

interface DemandLimits {
  readonly pendingDemands: number
  readonly absentDemands: number
}

type Send = (change: {
  readonly subscribe: readonly string[]
  readonly unsubscribe: readonly string[]
}) => void

/**
 * Names that are asked for one by one, where not everything is subscribed to: `network/ip`, a workload's UID, or
 * `namespace/hostname`. Each is asked for once, whoever wants it, and followed from then on; streams come and go.
 */
export class AddressDemands {
  readonly #events: AddressDemandEvents
  readonly #limits: DemandLimits
  readonly #found = new Set<string>()
  /** In the order in which they were asked for. */
  readonly #pending = new Set<string>()
  /** In the order in which they were found missing. */
  readonly #absent = new Set<string>()
  #due: string[] = []
  #send: Send | undefined

  constructor(events: AddressDemandEvents, limits?: DemandLimits) {
    this.#events = events
    this.#limits = limits ?? {
      pendingDemands: XDS_LIMITS.pendingDemands.value,
      absentDemands: XDS_LIMITS.absentDemands.value,
    }
  }

  /** Answered by `onAnswered`, perhaps in this call; never, as long as the control plane says nothing. */
  demand(name: string): void {
    if (this.#found.has(name) || this.#absent.has(name)) return this.#events.onAnswered([name])
    if (this.#pending.has(name)) return
    if (this.#pending.size >= this.#limits.pendingDemands) return this.#events.onLimit?.('pendingDemands')
    this.#pending.add(name)
    if (this.#send === undefined) return
    // What is asked for in one turn goes into one request.
    if (this.#due.push(name) === 1) queueMicrotask(() => this.#flush())
  }

  /** Every name that a new stream has to ask for. */
  names(): readonly string[] {
    return [...this.#found, ...this.#absent, ...this.#pending]
  }

  /** A stream is there, and has asked for `names()`. */
  begin(send: Send): void {
    this.#due = []
    this.#send = send
  }

  end(): void {
    this.#send = undefined
  }

  /** A response has been given to the sink. @param isTaken Whether a resource was: one that was refused is no answer. */
  answered(response: Pick<DeltaResponse, 'resources' | 'removed'>, isTaken: (name: string) => boolean): void {
    const answered: string[] = []
    const here = new Set<string>()
    for (const { name, aliases } of response.resources) {
      if (!isTaken(name)) continue
      for (const key of [name, ...aliases]) here.add(key)
    }
    for (const key of here) if (this.#settle(key, this.#found)) answered.push(key)
    // Found under another name: there is no resource of this one, and upstream's clients want to hear that.
    for (const key of response.removed)
      if (!here.has(key) && this.#settle(key, this.#absent)) answered.push(key)
    if (answered.length > 0) this.#events.onAnswered(answered)
    this.#dropSurplus()
  }

  /** @returns Whether somebody asked for it. */
  #settle(name: string, where: Set<string>): boolean {
    const isAsked = this.#pending.delete(name)
    const isKnown = this.#found.delete(name) || this.#absent.delete(name)
    if (isAsked || isKnown) where.add(name)
    return isAsked
  }

  #dropSurplus(): void {
    const surplus = this.#absent.size - this.#limits.absentDemands
    if (surplus <= 0) return
    const dropped = [...this.#absent.values().take(surplus)]
    for (const name of dropped) this.#absent.delete(name)
    this.#send?.({ subscribe: [], unsubscribe: dropped })
    this.#events.onDropped(dropped)
    this.#events.onLimit?.('absentDemands')
  }

  #flush(): void {
    const subscribe = this.#due
    this.#due = []
    if (subscribe.length > 0) this.#send?.({ subscribe, unsubscribe: [] })
  }
}
