import { type DeltaRequest, encodeDeltaResource, encodeDeltaResponseOf } from '@ambient/xds-proto'
import type { ResourceView } from './resource-view.ts'

export type RequestOutcome = 'ack' | 'nack' | 'stale' | 'subscribed' | 'changed'

/** What was last said in both directions, for debugging. */
export interface SubscriptionStatus {
  readonly sent: string
  readonly acked: string
  readonly lastError: string | undefined
}

/**
 * One client's subscription to one type: what it wants, what it was last sent, what it still has to be sent.
 * No I/O; `take` gives the next response when there is one to send.
 *
 * @see xDS protocol, incremental; Istio `pilot/pkg/xds/delta.go`
 */
export class Subscription {
  readonly #view: ResourceView
  #isWildcard = false
  /** Name → the other names it was demanded by. Empty for a wildcard client: fifty thousand names each buy nothing. */
  readonly #names = new Map<string, Set<string>>()
  readonly #due = new Set<string>()
  #mustAnswer = false
  #sent = { nonce: '', count: 0 }
  #acked = ''
  #lastError: string | undefined

  constructor(view: ResourceView) {
    this.#view = view
  }

  /** Names held for this client, to be bounded by the caller. */
  get size(): number {
    return this.#names.size + this.#due.size
  }

  describe(): SubscriptionStatus {
    return { sent: this.#sent.nonce, acked: this.#acked, lastError: this.#lastError }
  }

  /** The first request of this type on this stream; `initialVersions` is what the client still holds. */
  begin({ subscribe, unsubscribe, initialVersions }: DeltaRequest): RequestOutcome {
    const dropped = new Set(unsubscribe)
    const isWildcard = !dropped.has('*') && (subscribe.length === 0 || subscribe.includes('*'))
    const held = Object.keys(initialVersions)
    if (isWildcard) this.#demand('*')
    else for (const name of [...subscribe, ...held]) if (!dropped.has(name)) this.#demand(name)
    for (const name of held) {
      const current = this.#view.get(name)
      if (current === undefined) this.#due.add(name)
      else if (current.version === initialVersions[name]) this.#due.delete(name)
    }
    this.#mustAnswer = true
    return 'subscribed'
  }

  /** Every further request. A NACK changes nothing and is not answered: the client keeps what it has. */
  continue(request: DeltaRequest): RequestOutcome {
    if (request.error !== undefined) {
      this.#lastError = request.error.message
      return 'nack'
    }
    if (request.nonce !== '' && request.nonce !== this.#sent.nonce) return 'stale'
    if (request.nonce !== '') {
      this.#acked = request.nonce
      this.#lastError = undefined
    }
    if (request.subscribe.length === 0 && request.unsubscribe.length === 0) return 'ack'
    this.#change(request)
    return 'changed'
  }

  changed(names: ReadonlySet<string>): void {
    for (const name of names) if (this.#isWildcard || this.#names.has(name)) this.#due.add(name)
  }

  /**
   * The next response, with everything that is due.
   *
   * @param part `upserts` leaves removals due, for a `take` of all that follows.
   * @returns undefined when there is nothing to say.
   */
  take(systemVersion: string, part: 'all' | 'upserts' = 'all'): Buffer | undefined {
    const frames: Uint8Array[] = []
    const removed: string[] = []
    for (const name of this.#due) {
      const resource = this.#view.get(name)
      if (resource === undefined && part === 'upserts') continue
      this.#due.delete(name)
      if (resource === undefined) {
        removed.push(name)
        continue
      }
      const aliases = this.#names.get(name)
      frames.push(
        aliases === undefined || aliases.size === 0
          ? resource.frame
          : encodeDeltaResource({ ...resource, aliases: [...aliases] }),
      )
    }
    if (!this.#mustAnswer && frames.length === 0 && removed.length === 0) return undefined
    this.#mustAnswer = false
    const count = this.#sent.count + 1
    this.#sent = { nonce: `${systemVersion}/${count}`, count }
    return encodeDeltaResponseOf(
      { typeUrl: this.#view.typeUrl, nonce: this.#sent.nonce, systemVersion, removed },
      frames,
    )
  }

  #change({ subscribe, unsubscribe }: DeltaRequest): void {
    for (const name of unsubscribe) this.#undemand(name)
    for (const name of subscribe) this.#demand(name)
    // A demand is always answered, with nothing if there is nothing: somebody waits for it.
    if (subscribe.length > 0) this.#mustAnswer = true
  }

  /** What cannot be found is due as well: its removal is the answer, under the very name that was asked for. */
  #demand(name: string): void {
    if (name === '*') {
      this.#isWildcard = true
      for (const resource of this.#view.list()) this.#due.add(resource.name)
      return
    }
    const found = this.#view.resolve?.(name) ?? []
    const isAlias = found.length > 0 && !found.includes(name)
    for (const each of found.length === 0 ? [name] : found) {
      const aliases = this.#names.get(each) ?? new Set<string>()
      if (isAlias) aliases.add(name)
      this.#names.set(each, aliases)
      this.#due.add(each)
    }
  }

  #undemand(name: string): void {
    if (name === '*') this.#isWildcard = false
    this.#names.delete(name)
    for (const [each, aliases] of this.#names)
      if (aliases.delete(name) && aliases.size === 0) this.#names.delete(each)
  }
}
