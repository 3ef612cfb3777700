import { GrpcError, grpcStatus, type GrpcServerCall } from '@ambient/grpc'
import type { Clock } from '@ambient/lifecycle'
import type { DeltaRequest, DiscoveryNode } from '@ambient/xds-proto'
import type { XdsLimits } from './limits.ts'
import { Outbox, type OutboxDeps } from './outbox.ts'
import { ResourceTable, type ResourceView } from './resource-view.ts'
import { type RequestOutcome, Subscription, type SubscriptionStatus } from './subscription.ts'
import { AUTHORIZATION_TYPE } from './type-urls.ts'

/** What a client is let in to. */
export interface ClientScope {
  /** Whom it was found to be, for logs and dumps. */
  readonly identity: string
  /** In the order in which they are sent when several changed. */
  readonly views: readonly ResourceView[]
  /** The group of what it always gets, if it subscribes on demand; see `nodeGroup`. */
  readonly home?: string
  /** It enforces policies: it is told of no workload before its policies, and keeps them as long as those. */
  readonly enforcesPolicies?: boolean
}

export interface ClientFacts {
  readonly id: string
  readonly node: DiscoveryNode
  readonly connectedAtMs: number
}

export interface ClientStreamDeps extends OutboxDeps {
  readonly limits: XdsLimits
  readonly clock: Clock
  /** Something is due, or can be sent now. */
  readonly onDue: (client: ClientStream) => void
  readonly onPush: (push: Push) => void
  /** Changes had to wait for the client to read. */
  readonly onHeld: () => void
}

/** One response that was sent. */
export interface Push {
  readonly typeUrl: string
  readonly bytes: number
  /** To make it and hand it on. */
  readonly tookMs: number
  /** How long the oldest of the changes in it had waited; undefined for an answer. */
  readonly waitedMs: number | undefined
}

interface Subscribed {
  readonly subscription: Subscription
  readonly leave: () => void
}

/** One client's stream once it has said who it is: its subscriptions, and what it is sent of them and when. */
export class ClientStream {
  readonly facts: ClientFacts
  readonly scope: ClientScope
  readonly call: GrpcServerCall
  readonly #deps: ClientStreamDeps
  readonly #outbox: Outbox
  readonly #subscribed = new Map<string, Subscribed>()
  #dueSinceMs: number | undefined
  /** It has yet to ask for both policies and workloads. */
  #isStarting: boolean

  constructor(facts: ClientFacts, scope: ClientScope, call: GrpcServerCall, deps: ClientStreamDeps) {
    this.facts = facts
    this.scope = scope
    this.call = call
    this.#deps = deps
    this.#outbox = new Outbox(call, { ...deps, onSent: (bytes, tookMs) => this.#onSent(bytes, tookMs) })
    this.#isStarting = scope.enforcesPolicies === true
    if (this.#isStarting) this.#limitStart()
  }

  /** Whether somebody waits for an answer, and not just for news. */
  get isAwaited(): boolean {
    return this.#subscriptions().some((subscription) => subscription.mustAnswer)
  }

  /** Resources that are due, of all types. */
  get due(): number {
    return this.#subscriptions().reduce((sum, subscription) => sum + subscription.due, 0)
  }

  types(): Readonly<Record<string, SubscriptionStatus>> {
    return Object.fromEntries(
      [...this.#subscribed].map(([type, { subscription }]) => [type, subscription.describe()]),
    )
  }

  /** @throws {GrpcError} when the client asks for more than it may. */
  onRequest(request: DeltaRequest): RequestOutcome {
    const known = this.#subscribed.get(request.typeUrl)?.subscription
    const subscription = known ?? this.#subscribe(request.typeUrl)
    const outcome = known === undefined ? subscription.begin(request) : subscription.continue(request)
    if (request.subscribe.length > 0 && subscription.size > this.#deps.limits.namesPerSubscription)
      throw new GrpcError(grpcStatus.resourceExhausted, 'too many names')
    if (subscription.mustAnswer) this.#deps.onDue(this)
    return outcome
  }

  /**
   * Sends what is due, in the order of the views. Policies come before the workloads that name them and go after
   * those have stopped to: at no time does a client know a workload and lack its policy. Of a client that does not
   * read, pushes pile up as names only, each once.
   */
  push(): void {
    if (!this.#send(AUTHORIZATION_TYPE, 'upserts') || this.#isStarting) return
    for (const { typeUrl } of this.scope.views)
      if (typeUrl !== AUTHORIZATION_TYPE && !this.#send(typeUrl, 'all')) return
    for (const typeUrl of this.#subscribed.keys()) if (!this.#send(typeUrl, 'all')) return
    this.#dueSinceMs = undefined
  }

  close(): void {
    for (const { leave } of this.#subscribed.values()) leave()
    this.#subscribed.clear()
  }

  #subscriptions(): readonly Subscription[] {
    return [...this.#subscribed.values()].map(({ subscription }) => subscription)
  }

  /**
   * One that asks for policies second must not know its workloads first: they would be open until the policies come. Nor
   * must one that resumes lose policies before the workloads that name them have changed.
   */
  #limitStart(): void {
    this.#deps.clock.sleep(this.#deps.limits.policiesFirstMs, this.call.over).then(
      () => {
        this.#isStarting = false
        this.#deps.onDue(this)
      },
      () => {}, // it went away first
    )
  }

  #subscribe(typeUrl: string): Subscription {
    if (this.#subscribed.size >= this.#deps.limits.typesPerStream)
      throw new GrpcError(grpcStatus.resourceExhausted, 'too many types')
    const { views, home } = this.scope
    // A type from elsewhere is answered once, with nothing, so that the client does not wait for it.
    const view = views.find((each) => each.typeUrl === typeUrl) ?? new ResourceTable(typeUrl)
    const subscription = new Subscription(view, home)
    const leave = view.onChange((names) => this.#onChange(subscription, names))
    this.#subscribed.set(typeUrl, { subscription, leave })
    if (this.#subscribed.has(AUTHORIZATION_TYPE) && this.#subscribed.size > 1) this.#isStarting = false
    return subscription
  }

  #onChange(subscription: Subscription, names: ReadonlySet<string>): void {
    subscription.changed(names)
    if (subscription.due === 0) return
    this.#dueSinceMs ??= this.#deps.clock.monotonicMs()
    if (this.#outbox.isFull) this.#deps.onHeld()
    else this.#deps.onDue(this)
  }

  /** @returns false when the client has to read first. */
  #send(typeUrl: string, part: 'all' | 'upserts'): boolean {
    if (this.#outbox.isFull) return false
    const { clock } = this.#deps
    const startMs = clock.monotonicMs()
    const response = this.#subscribed.get(typeUrl)?.subscription.take(clock.nowMs(), part)
    if (response === undefined) return true
    const bytes = this.#outbox.send(response)
    const endMs = clock.monotonicMs()
    const since = this.#dueSinceMs
    const waitedMs = since === undefined ? undefined : endMs - since
    this.#deps.onPush({ typeUrl, bytes, tookMs: endMs - startMs, waitedMs })
    return true
  }

  #onSent(bytes: number, tookMs: number): void {
    this.#deps.onSent(bytes, tookMs)
    if (!this.#outbox.isFull && this.due > 0) this.#deps.onDue(this)
  }
}
