import { type Metadata, type Server, status } from '@grpc/grpc-js'
import type { Clock } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import {
  decodeDeltaRequest,
  decodeDeltaResponse,
  DELTA_AGGREGATED_PATH,
  type DeltaRequest,
  type DiscoveryNode,
  encodeDeltaRequest,
} from '@ambient/xds-proto'
import { type XdsLimits, xdsLimits } from './limits.ts'
import type { ResourceView } from './resource-view.ts'
import { StreamRefusal } from './stream-refusal.ts'
import type { RequestOutcome, SubscriptionStatus } from './subscription.ts'
import { ClientStream, type XdsCall } from './client-stream.ts'

export type Authentication =
  | { readonly kind: 'accepted'; readonly identity: string }
  | { readonly kind: 'refused'; readonly detail: string }

export interface DeltaXdsServerOptions {
  /**
   * In the order in which they are sent when several changed: policies come before the workloads that name them, so
   * that no client sees a workload open for want of its policy.
   */
  readonly views: readonly ResourceView[]
  readonly authenticate: (metadata: Metadata, peer: string) => Promise<Authentication>
  /** Whether the caller may open a stream as this node; a text says why not. Default: everybody authenticated may. */
  readonly refuseNode?: (identity: string, node: DiscoveryNode) => string | undefined
  /** False until the state is computed: an empty snapshot would tell every node that the mesh is empty. */
  readonly isSynced: () => boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly onEvent?: (event: XdsServerEvent) => void
  readonly limits?: XdsLimits
}

export type XdsServerEvent =
  | { readonly kind: 'connected' | 'disconnected' }
  | { readonly kind: 'request'; readonly typeUrl: string; readonly outcome: RequestOutcome }
  | { readonly kind: 'push'; readonly typeUrl: string; readonly bytes: number }

/** One connected client, for debugging. */
export interface XdsConnection {
  readonly id: string
  readonly node: string
  readonly identity: string
  readonly peer: string
  readonly connectedAtMs: number
  readonly types: Readonly<Record<string, SubscriptionStatus>>
}

/** Delta ADS. A client that reads slowly holds back its own pushes only: they are merged until it can take more. */
export class DeltaXdsServer implements Disposable {
  readonly #options: DeltaXdsServerOptions
  readonly #connections = new Map<string, ClientStream>()
  readonly #leave: (() => void)[]
  #counter = 0
  #isPushDue = false

  constructor(options: DeltaXdsServerOptions) {
    this.#options = options
    this.#leave = options.views.map((view) => view.onChange((names) => this.#onChange(view.typeUrl, names)))
  }

  /** Adds the service to a gRPC server. */
  register(server: Server): void {
    server.addService(
      {
        DeltaAggregatedResources: {
          path: DELTA_AGGREGATED_PATH,
          requestStream: true,
          responseStream: true,
          requestSerialize: encodeDeltaRequest,
          requestDeserialize: decodeDeltaRequest,
          responseSerialize: (bytes: Buffer) => bytes,
          responseDeserialize: decodeDeltaResponse,
        },
      },
      {
        DeltaAggregatedResources: (call: XdsCall) => {
          call.on('error', () => {}) // of a stream that was cancelled; how it ends is seen below
          this.#accept(call).catch((cause: unknown) => this.#refuse(call, cause))
        },
      },
    )
  }

  connections(): readonly XdsConnection[] {
    return [...this.#connections.values()].map((connection) => ({
      ...connection.facts,
      peer: connection.call.getPeer(),
      types: connection.types(),
    }))
  }

  /** Ends every stream; clients come back by themselves, and resume. */
  endStreams(): void {
    for (const { call } of this.#connections.values()) call.end()
  }

  [Symbol.dispose](): void {
    for (const leave of this.#leave.splice(0)) leave()
    this.endStreams()
  }

  async #accept(call: XdsCall): Promise<void> {
    const authentication = await this.#options.authenticate(call.metadata, call.getPeer())
    if (authentication.kind === 'refused')
      throw new StreamRefusal(status.UNAUTHENTICATED, authentication.detail)
    let connection: ClientStream | undefined
    call.on('data', (request: DeltaRequest) => {
      if (call.writableEnded) return // refused or ended by us
      try {
        connection ??= this.#open(call, request, authentication.identity)
        this.#onRequest(connection, request)
      } catch (cause) {
        this.#refuse(call, cause)
      }
    })
    const close = (): void => {
      if (connection !== undefined && this.#connections.delete(connection.facts.id))
        this.#options.onEvent?.({ kind: 'disconnected' })
    }
    call.on('cancelled', close)
    call.on('finish', close)
    call.on('end', () => call.end())
  }

  #open(call: XdsCall, first: DeltaRequest, identity: string): ClientStream {
    const { refuseNode, isSynced, views, clock, limits = xdsLimits } = this.#options
    const node = first.node
    if (node === undefined || node.id === '')
      throw new StreamRefusal(status.INVALID_ARGUMENT, 'the first request of a stream must name its node')
    if (!isSynced()) throw new StreamRefusal(status.UNAVAILABLE, 'the control plane is not ready yet')
    const refusal = refuseNode?.(identity, node)
    if (refusal !== undefined) throw new StreamRefusal(status.PERMISSION_DENIED, refusal)
    const facts = {
      id: `${node.id}-${++this.#counter}`,
      node: node.id,
      identity,
      connectedAtMs: clock.nowMs(),
    }
    const connection = new ClientStream(facts, call, {
      views,
      limits,
      now: () => new Date(clock.nowMs()).toISOString(),
      onPush: (typeUrl, bytes) => this.#options.onEvent?.({ kind: 'push', typeUrl, bytes }),
      onFault: (faulty, cause) => this.#refuse(faulty.call, cause),
    })
    this.#connections.set(facts.id, connection)
    this.#options.onEvent?.({ kind: 'connected' })
    return connection
  }

  #onRequest(connection: ClientStream, request: DeltaRequest): void {
    const { typeUrl, error } = request
    const outcome = connection.onRequest(request)
    if (outcome === 'nack')
      this.#options.logger.warn('xds push refused by client', {
        node: connection.facts.node,
        type: typeUrl,
        error: error?.message,
      })
    this.#options.onEvent?.({ kind: 'request', typeUrl, outcome })
  }

  /** Tells the client what it may know: our own errors stay in our log. */
  #refuse(call: XdsCall, cause: unknown): void {
    const error = cause instanceof Error ? cause.message : String(cause)
    this.#options.logger.warn('xds stream refused', { peer: call.getPeer(), error })
    const isKnown = cause instanceof StreamRefusal
    call.emit('error', {
      code: isKnown ? cause.code : status.INTERNAL,
      details: isKnown ? cause.message : 'internal error',
    })
  }

  #onChange(typeUrl: string, names: ReadonlySet<string>): void {
    for (const connection of this.#connections.values()) connection.changed(typeUrl, names)
    if (this.#isPushDue) return
    this.#isPushDue = true
    // Views change one after the other in one batch; all have changed when this runs, and go out in the views' order.
    queueMicrotask(() => {
      this.#isPushDue = false
      for (const connection of this.#connections.values()) {
        try {
          connection.push()
        } catch (cause) {
          this.#refuse(connection.call, cause)
        }
      }
    })
  }
}
