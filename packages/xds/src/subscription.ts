import type { DeltaRequest, DeltaResponse } from '@ambient/xds-proto'
import type { EncodedResource } from './encoded-resource.ts'
import type { ResourceView } from './resource-view.ts'

export type RequestOutcome = 'ack' | 'nack' | 'stale' | 'subscribed' | 'changed'

/**
 * One client's subscription to one type: what it wants, what it was last sent, what it still has to be sent.
 * No I/O; `take` gives the next response when there is one to send.
 *
 * @see xDS protocol, incremental; Istio `pilot/pkg/xds/delta.go`
 */
export class Subscription {
  readonly #view: ResourceView
  #isWildcard = false
  readonly #names = new Set<string>()
  readonly #due = new Set<string>()
  #mustAnswer = false
  #nonce = ''
  #sent = 0
  #acked = ''
  #lastError: string | undefined

  constructor(view: ResourceView) {
    this.#view = view
  }

  get hasDue(): boolean {
    return this.#mustAnswer || this.#due.size > 0
  }

  describe(): { readonly sent: string; readonly acked: string; readonly lastError: string | undefined } {
    return { sent: this.#nonce, acked: this.#acked, lastError: this.#lastError }
  }

  /** The first request of this type on this stream; `initialVersions` is what the client still holds. */
  begin(request: DeltaRequest): RequestOutcome {
    const { subscribe, unsubscribe, initialVersions } = request
    const drop = new Set(unsubscribe)
    this.#isWildcard = !drop.has('*') && (subscribe.length === 0 || subscribe.includes('*'))
    for (const name of [...subscribe, ...Object.keys(initialVersions)]) {
      // A wildcard client's names are not kept: fifty thousand names a client buy nothing.
      if (!this.#isWildcard && name !== '*' && !drop.has(name)) this.#names.add(name)
    }
    const wanted = this.#isWildcard ? this.#view.list() : this.#lookUp(this.#names)
    for (const { name, version } of wanted) if (initialVersions[name] !== version) this.#due.add(name)
    for (const name of Object.keys(initialVersions)) if (this.#view.get(name) === undefined) this.#due.add(name)
    this.#mustAnswer = true
    return 'subscribed'
  }

  continue(request: DeltaRequest): RequestOutcome {
    if (request.error !== undefined) {
      this.#lastError = request.error.message
      return 'nack'
    }
    if (request.nonce !== '' && request.nonce !== this.#nonce) return 'stale'
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

  /** The next response, everything that is due in one; undefined when there is nothing to say. */
  take(systemVersion: string): DeltaResponse | undefined {
    if (!this.hasDue) return undefined
    const resources: DeltaResponse['resources'][number][] = []
    const removed: string[] = []
    for (const name of this.#due) {
      const resource = this.#view.get(name)
      if (resource === undefined) removed.push(name)
      else resources.push({ ...resource, aliases: [] })
    }
    this.#due.clear()
    this.#mustAnswer = false
    this.#nonce = `${systemVersion}-${++this.#sent}`
    return { typeUrl: this.#view.typeUrl, nonce: this.#nonce, systemVersion, resources, removed }
  }

  #change({ subscribe, unsubscribe }: DeltaRequest): void {
    for (const name of unsubscribe) {
      if (name === '*') this.#isWildcard = false
      this.#names.delete(name)
    }
    const added = subscribe.filter((name) => name !== '*')
    for (const name of added) this.#names.add(name)
    // A demand is always answered, with nothing if there is nothing: somebody waits for it.
    for (const name of added) for (const found of this.#view.resolve?.(name) ?? [name]) this.#due.add(found)
    for (const name of this.#due) this.#names.add(name)
    if (subscribe.includes('*')) {
      this.#isWildcard = true
      for (const { name } of this.#view.list()) this.#due.add(name)
    }
    if (subscribe.length > 0) this.#mustAnswer = true
  }

  #lookUp(names: Iterable<string>): readonly EncodedResource[] {
    return [...names].flatMap((name) => (this.#view.resolve?.(name) ?? [name]).flatMap((found) => this.#view.get(found) ?? []))
  }
}
