import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { DeltaRequest } from '@ambient/xds-proto'
import type { XdsLimits } from './limits.ts'
import { ResourceTable, type ResourceView } from './resource-view.ts'
import { StreamRefusal } from './stream-refusal.ts'
import { type RequestOutcome, Subscription, type SubscriptionStatus } from './subscription.ts'
import { AUTHORIZATION_TYPE } from './type-urls.ts'

export type XdsCall = ServerDuplexStream<DeltaRequest, Buffer>

export interface ClientFacts {
  readonly id: string
  readonly node: string
  readonly identity: string
  readonly connectedAtMs: number
}

export interface ClientStreamDeps {
  /** In the order in which they are sent. */
  readonly views: readonly ResourceView[]
  readonly limits: Pick<XdsLimits, 'inFlightBytes' | 'namesPerSubscription' | 'typesPerStream'>
  readonly now: () => string
  readonly onPush: (typeUrl: string, bytes: number) => void
  /** An error of our own while sending, when nobody is there to catch it. */
  readonly onFault: (connection: ClientStream, cause: unknown) => void
}

/** One client's stream once it has said who it is: its subscriptions, and how much of what was sent it has not read. */
export class ClientStream {
  readonly facts: ClientFacts
  readonly call: XdsCall
  readonly #deps: ClientStreamDeps
  readonly #subscriptions = new Map<string, Subscription>()
  #inFlightBytes = 0

  constructor(facts: ClientFacts, call: XdsCall, deps: ClientStreamDeps) {
    this.facts = facts
    this.call = call
    this.#deps = deps
  }

  types(): Readonly<Record<string, SubscriptionStatus>> {
    return Object.fromEntries(
      [...this.#subscriptions].map(([type, subscription]) => [type, subscription.describe()]),
    )
  }

  /** @throws {StreamRefusal} when the client asks for more than it may. */
  onRequest(request: DeltaRequest): RequestOutcome {
    const known = this.#subscriptions.get(request.typeUrl)
    const subscription = known ?? this.#subscribe(request.typeUrl)
    const outcome = known === undefined ? subscription.begin(request) : subscription.continue(request)
    const isNamed = request.subscribe.length > 0
    if (isNamed && subscription.size > this.#deps.limits.namesPerSubscription)
      throw new StreamRefusal(status.RESOURCE_EXHAUSTED, 'too many names')
    this.push()
    return outcome
  }

  changed(typeUrl: string, names: ReadonlySet<string>): void {
    this.#subscriptions.get(typeUrl)?.changed(names)
  }

  /**
   * Sends what is due, in the order of the views. Policies come before the workloads that name them and go after
   * those have stopped to: at no time does a client know a workload and lack its policy. Of a client that does not
   * read, pushes pile up as names only, each once.
   */
  push(): void {
    for (const { typeUrl } of this.#deps.views) {
      if (!this.#send(typeUrl, typeUrl === AUTHORIZATION_TYPE ? 'upserts' : 'all')) return
    }
    for (const typeUrl of this.#subscriptions.keys()) if (!this.#send(typeUrl, 'all')) return
  }

  #subscribe(typeUrl: string): Subscription {
    if (this.#subscriptions.size >= this.#deps.limits.typesPerStream)
      throw new StreamRefusal(status.RESOURCE_EXHAUSTED, 'too many types')
    // A type from elsewhere is answered once, with nothing, so that the client does not wait for it.
    const view = this.#deps.views.find((each) => each.typeUrl === typeUrl) ?? new ResourceTable(typeUrl)
    const subscription = new Subscription(view)
    this.#subscriptions.set(typeUrl, subscription)
    return subscription
  }

  /** @returns false when the client has to read first. */
  #send(typeUrl: string, part: 'all' | 'upserts'): boolean {
    if (this.#inFlightBytes >= this.#deps.limits.inFlightBytes || this.call.writableEnded) return false
    const bytes = this.#subscriptions.get(typeUrl)?.take(this.#deps.now(), part)
    if (bytes === undefined) return true
    this.#deps.onPush(typeUrl, bytes.length)
    this.#inFlightBytes += bytes.length
    this.call.write(bytes, (error: Error | null | undefined) => {
      this.#inFlightBytes -= bytes.length
      if (error) return // the stream is over
      try {
        this.push()
      } catch (cause) {
        this.#deps.onFault(this, cause)
      }
    })
    return true
  }
}
