import { type Metadata, type Server, type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { Clock } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import { decodeDeltaRequest, decodeDeltaResponse, DELTA_AGGREGATED_PATH, type DeltaRequest, encodeDeltaRequest, encodeDeltaResponse } from '@ambient/xds-proto'
import type { ResourceView } from './resource-view.ts'
import { type RequestOutcome, Subscription } from './subscription.ts'

export type Authentication = { readonly kind: 'accepted'; readonly identity: string } | { readonly kind: 'refused'; readonly detail: string }

export interface DeltaXdsServerOptions {
  /**
   * In the order in which they are sent when several changed: policies come before the workloads that name them, so
   * that no client sees a workload open for want of its policy.
   */
  readonly views: readonly ResourceView[]
  readonly authenticate: (metadata: Metadata, peer: string) => Promise<Authentication>
  /** False until the state is computed: an empty snapshot would tell every node that the mesh is empty. */
  readonly isSynced: () => boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly onEvent?: (event: XdsServerEvent) => void
}

export type XdsServerEvent =
  | { readonly kind: 'connected' | 'disconnected' }
  | { readonly kind: 'request'; readonly typeUrl: string; readonly outcome: RequestOutcome }
  | { readonly kind: 'push'; readonly typeUrl: string; readonly bytes: number }

export interface XdsConnection {
  readonly id: string
  readonly node: string
  readonly identity: string
  readonly peer: string
  readonly connectedAtMs: number
  readonly types: Readonly<Record<string, { readonly sent: string; readonly acked: string; readonly lastError: string | undefined }>>
}

type Call = ServerDuplexStream<DeltaRequest, Buffer>

interface Connection {
  readonly id: string
  readonly node: string
  readonly identity: string
  readonly call: Call
  readonly connectedAtMs: number
  readonly subscriptions: Map<string, Subscription>
  isBlocked: boolean
}

class Refusal extends Error {
  readonly code: status
  constructor(code: status, message: string) {
    super(message)
    this.code = code
  }
}

/** Delta ADS. A client that reads slowly holds back its own pushes only: they are merged until it can take more. */
export class DeltaXdsServer implements Disposable {
  readonly #options: DeltaXdsServerOptions
  readonly #views: ReadonlyMap<string, ResourceView>
  readonly #connections = new Map<string, Connection>()
  readonly #leave: (() => void)[] = []
  #counter = 0
  #isPushDue = false

  constructor(options: DeltaXdsServerOptions) {
    this.#options = options
    this.#views = new Map(options.views.map((view) => [view.typeUrl, view]))
    for (const view of options.views) this.#leave.push(view.onChange((names) => this.#changed(view.typeUrl, names)))
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
      { DeltaAggregatedResources: (call: Call) => void this.#serve(call) },
    )
  }

  connections(): readonly XdsConnection[] {
    return [...this.#connections.values()].map(({ id, node, identity, call, connectedAtMs, subscriptions }) => ({
      id,
      node,
      identity,
      peer: call.getPeer(),
      connectedAtMs,
      types: Object.fromEntries([...subscriptions].map(([type, subscription]) => [type, subscription.describe()])),
    }))
  }

  /** Ends every stream; clients come back by themselves, and resume. */
  [Symbol.dispose](): void {
    for (const leave of this.#leave.splice(0)) leave()
    for (const { call } of this.#connections.values()) call.end()
  }

  async #serve(call: Call): Promise<void> {
    let connection: Connection | undefined
    call.on('error', () => {}) // a cancelled stream; its end is seen below
    try {
      const authentication = await this.#options.authenticate(call.metadata, call.getPeer())
      if (authentication.kind === 'refused') throw new Refusal(status.UNAUTHENTICATED, authentication.detail)
      for await (const request of call) {
        if (!isRequest(request)) continue
        connection ??= this.#open(call, request, authentication.identity)
        this.#onRequest(connection, request)
      }
      call.end()
    } catch (cause) {
      this.#fail(call, cause)
    } finally {
      if (connection !== undefined && this.#connections.delete(connection.id)) this.#options.onEvent?.({ kind: 'disconnected' })
    }
  }

  #fail(call: Call, cause: unknown): void {
    if (call.cancelled) return
    const code = cause instanceof Refusal ? cause.code : status.INTERNAL
    const details = cause instanceof Refusal ? cause.message : 'internal error'
    this.#options.logger.warn('xds stream refused', { peer: call.getPeer(), error: cause instanceof Error ? cause.message : String(cause) })
    call.emit('error', { code, details })
  }

  #open(call: Call, first: DeltaRequest, identity: string): Connection {
    const node = first.node?.id ?? ''
    if (node === '') throw new Refusal(status.INVALID_ARGUMENT, 'the first request of a stream must name its node')
    if (!this.#options.isSynced()) throw new Refusal(status.UNAVAILABLE, 'the control plane is not ready yet')
    const id = `${node}-${++this.#counter}`
    const connection: Connection = { id, node, identity, call, connectedAtMs: this.#options.clock.nowMs(), subscriptions: new Map(), isBlocked: false }
    call.on('drain', () => {
      connection.isBlocked = false
      this.#push(connection)
    })
    this.#connections.set(id, connection)
    this.#options.onEvent?.({ kind: 'connected' })
    return connection
  }

  #onRequest(connection: Connection, request: DeltaRequest): void {
    const view = this.#views.get(request.typeUrl)
    if (view === undefined) {
      // A type from elsewhere is answered with nothing, so that the client does not wait for it.
      connection.call.write(encodeDeltaResponse({ typeUrl: request.typeUrl, nonce: `none-${++this.#counter}`, systemVersion: '', resources: [], removed: [] }))
      return
    }
    const known = connection.subscriptions.get(request.typeUrl)
    const subscription = known ?? new Subscription(view)
    const outcome = known === undefined ? subscription.begin(request) : subscription.continue(request)
    connection.subscriptions.set(request.typeUrl, subscription)
    if (outcome === 'nack') this.#options.logger.warn('xds push refused by client', { node: connection.node, type: request.typeUrl, error: request.error?.message })
    this.#options.onEvent?.({ kind: 'request', typeUrl: request.typeUrl, outcome })
    this.#push(connection)
  }

  #changed(typeUrl: string, names: ReadonlySet<string>): void {
    for (const { subscriptions } of this.#connections.values()) subscriptions.get(typeUrl)?.changed(names)
    if (this.#isPushDue) return
    this.#isPushDue = true
    // Views change one after the other in one batch; all have changed when this runs, and go out in the views' order.
    queueMicrotask(() => {
      this.#isPushDue = false
      for (const connection of this.#connections.values()) this.#push(connection)
    })
  }

  #push(connection: Connection): void {
    for (const view of this.#options.views) {
      if (connection.isBlocked) return
      const response = connection.subscriptions.get(view.typeUrl)?.take(new Date(this.#options.clock.nowMs()).toISOString())
      if (response === undefined) continue
      const bytes = encodeDeltaResponse(response)
      this.#options.onEvent?.({ kind: 'push', typeUrl: view.typeUrl, bytes: bytes.length })
      if (!connection.call.write(bytes)) connection.isBlocked = true
    }
  }
}

function isRequest(value: unknown): value is DeltaRequest {
  return typeof value === 'object' && value !== null && 'typeUrl' in value
}

