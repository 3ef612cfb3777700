import { type DeltaRequest, encodeDeltaResource, encodeDeltaResponseHead } from '@ambient/xds-proto'
import type { EncodedResource } from './encoded-resource.ts'
import { keysOf, type ResourceView } from './resource-view.ts'
import { type Response, ResponseBody } from './response-body.ts'

export type RequestOutcome = 'ack' | 'nack' | 'stale' | 'subscribed' | 'changed'

/** What was last said in both directions, for debugging. */
export interface SubscriptionStatus {
  readonly sent: string
  /** When; 0 if nothing was. */
  readonly sentAtMs: number
  readonly acked: string
  readonly lastError: string | undefined
  /** What a client on demand asked for, or was sent along with it; empty for one that gets everything. */
  readonly names: readonly string[]
}

/**
 * One client's subscription to one type: what it wants, what it was last sent, what it still has to be sent.
 * No I/O; `take` gives the next response when there is one to send.
 *
 * A client on demand gets more than it names: of a service, all workloads behind it, and of its own node, all
 * workloads, whatever it asks for.
 *
 * @see xDS protocol, incremental; Istio `pilot/pkg/xds/delta.go`, `pilot/pkg/xds/workload.go`
 */
export class Subscription {
  readonly #view: ResourceView
  readonly #home: string | undefined
  #isWildcard = false
  /** Names, aliases and groups that a client on demand asked for. Empty for a wildcard client: fifty thousand names each buy nothing. */
  readonly #demands = new Set<string>()
  /** Names of what a client on demand was sent. */
  readonly #brought = new Set<string>()
  readonly #due = new Set<string>()
  /** Everything there is has to be sent, whatever is due besides. */
  #owesAll = false
  /** Aliases that were asked for and found: no resource has such a name, which is to be said. */
  readonly #foundAliases = new Set<string>()
  #mustAnswer = false
  #sent = { nonce: '', count: 0, atMs: 0 }
  #acked = ''
  #lastError: string | undefined

  /** @param home The group of what a client on demand always gets. */
  constructor(view: ResourceView, home?: string) {
    this.#view = view
    this.#home = home
  }

  /** Names held for this client, to be bounded by the caller. */
  get size(): number {
    return this.#demands.size + this.#brought.size + this.#due.size
  }

  /** Whether somebody waits for an answer, and not just for news. */
  get mustAnswer(): boolean {
    return this.#mustAnswer
  }

  /** Resources to be sent or taken away. */
  get due(): number {
    return this.#owesAll ? this.#view.size : this.#due.size
  }

  describe(): SubscriptionStatus {
    return {
      sent: this.#sent.nonce,
      sentAtMs: this.#sent.atMs,
      acked: this.#acked,
      lastError: this.#lastError,
      names: [...this.#demands.union(this.#brought)],
    }
  }

  /** The first request of this type on this stream; `initialVersions` is what the client still holds. */
  begin({ subscribe, unsubscribe, initialVersions }: DeltaRequest): RequestOutcome {
    const dropped = new Set(unsubscribe)
    this.#isWildcard = !dropped.has('*') && (subscribe.length === 0 || subscribe.includes('*'))
    if (this.#isWildcard) this.#oweWhatDiffers(initialVersions)
    else {
      this.#goHome()
      const held = Object.keys(initialVersions)
      for (const name of [...subscribe, ...held]) if (!dropped.has(name)) this.#demand(name)
      for (const name of held)
        if (this.#view.get(name)?.version === initialVersions[name]) this.#due.delete(name)
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
    for (const name of request.unsubscribe) this.#undemand(name)
    for (const name of request.subscribe) this.#demand(name)
    // A demand is always answered, with nothing if there is nothing: somebody waits for it.
    if (request.subscribe.length > 0) this.#mustAnswer = true
    return 'changed'
  }

  changed(names: ReadonlySet<string>): void {
    for (const name of names) {
      if (this.#isWildcard) this.#due.add(name)
      else this.#changedOnDemand(name)
    }
  }

  /**
   * The next response, with everything that is due.
   *
   * @param part `upserts` leaves removals due, for a `take` of all that follows.
   * @returns undefined when there is nothing to say.
   */
  take(nowMs: number, part: 'all' | 'upserts' = 'all'): Response | undefined {
    const removed: string[] = [...this.#foundAliases]
    this.#foundAliases.clear()
    const body = this.#owesAll ? this.#takeAll(part, removed) : this.#takeDue(part, removed)
    if (!this.#mustAnswer && body.bytes.length === 0 && removed.length === 0) return undefined
    this.#mustAnswer = false
    const count = this.#sent.count + 1
    const systemVersion = new Date(nowMs).toISOString()
    this.#sent = { nonce: `${systemVersion}/${count}`, count, atMs: nowMs }
    const { typeUrl } = this.#view
    const head = encodeDeltaResponseHead({ typeUrl, nonce: this.#sent.nonce, systemVersion, removed })
    return { head, body }
  }

  /** Everything there is, as others are sent it as well: a cluster that reconnects costs one copy and one compression. */
  #takeAll(part: 'all' | 'upserts', removed: string[]): ResponseBody {
    this.#owesAll = false
    for (const name of this.#due) if (this.#view.get(name) !== undefined) this.#due.delete(name)
    this.#takeDue(part, removed)
    const all = this.#view.all?.()
    if (all !== undefined) return all
    const resources = [...this.#view.names()].flatMap((name) => this.#view.get(name) ?? [])
    return new ResponseBody(Buffer.concat(resources.map(({ frame }) => frame)))
  }

  /** Names of what is gone are added to `removed`. */
  #takeDue(part: 'all' | 'upserts', removed: string[]): ResponseBody {
    const frames: Uint8Array[] = []
    for (const name of this.#due) {
      const resource = this.#view.get(name)
      if (resource === undefined && part === 'upserts') continue
      this.#due.delete(name)
      if (resource !== undefined) frames.push(this.#frameOf(resource))
      else {
        this.#brought.delete(name)
        removed.push(name)
      }
    }
    return new ResponseBody(Buffer.concat(frames))
  }

  /** A client on demand is told by which other names a resource answers, whichever of them it asked for. */
  #frameOf(resource: EncodedResource): Uint8Array {
    return this.#isWildcard || resource.aliases.length === 0 ? resource.frame : encodeDeltaResource(resource)
  }

  /** Names are looked at one by one only for a client that holds some, and once if it holds all there are. */
  #oweWhatDiffers(held: Readonly<Record<string, string>>): void {
    const names = Object.keys(held)
    this.#owesAll = names.length === 0
    if (this.#owesAll) return
    let known = 0
    for (const name of names) {
      const current = this.#view.get(name)
      if (current !== undefined) known++
      if (current?.version !== held[name]) this.#due.add(name)
    }
    if (known === this.#view.size) return
    for (const name of this.#view.names()) if (!Object.hasOwn(held, name)) this.#due.add(name)
  }

  #goHome(): void {
    if (this.#home === undefined) return
    this.#demands.add(this.#home)
    for (const name of this.#view.find(this.#home)) this.#bring(name)
  }

  /** What cannot be found is due as well: its removal is the answer, under the very name that was asked for. */
  #demand(name: string): void {
    if (name === '*') {
      this.#isWildcard = true
      this.#owesAll = true
      return
    }
    if (!this.#isWildcard) this.#demands.add(name)
    const found = this.#view.get(name) === undefined ? [...this.#view.find(name)] : [name]
    for (const each of found) this.#bring(each)
    if (found.length === 0) this.#due.add(name)
    // Upstream's client waits until it hears of exactly the name it asked for, found or not.
    else if (!found.includes(name)) this.#foundAliases.add(name)
  }

  /** Makes a resource due, and what belongs to it: of a service, its workloads. */
  #bring(name: string): void {
    this.#due.add(name)
    if (this.#isWildcard || this.#brought.has(name)) return
    this.#brought.add(name)
    for (const member of this.#view.find(name)) this.#bring(member)
  }

  #changedOnDemand(name: string): void {
    const resource = this.#view.get(name)
    const isKnown = this.#brought.has(name) || this.#demands.has(name)
    if (resource === undefined) {
      if (isKnown) this.#due.add(name)
      return
    }
    if (isKnown || keysOf(resource).some((key) => this.#demands.has(key) || this.#brought.has(key)))
      this.#bring(name)
  }

  /** What was sent along with `name`, and is wanted for nothing else, stays: a few updates more harm nobody. */
  #undemand(name: string): void {
    if (name === '*') {
      this.#isWildcard = false
      this.#owesAll = false
      this.#goHome()
      return
    }
    this.#demands.delete(name)
    this.#brought.delete(name)
    this.#due.delete(name)
  }
}
