import {
  type GrpcCaller,
  GrpcError,
  type GrpcMethod,
  type GrpcServerCall,
  grpcStatus,
  type GrpcStatusCode,
} from '@ambient/grpc'
import { errorText, type Clock } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import {
  decodeDeltaRequest,
  DELTA_AGGREGATED_PATH,
  type DeltaRequest,
  type DeltaResponse,
  type DiscoveryNode,
  encodeDeltaResponse,
} from '@ambient/xds-proto'
import { type ClientScope, ClientStream, type Push } from './client-stream.ts'
import { type XdsLimits, xdsLimits } from './limits.ts'
import { PushScheduler } from './push-scheduler.ts'
import { RateLimit } from './rate-limit.ts'
import type { ResourceView } from './resource-view.ts'
import type { RequestOutcome, SubscriptionStatus } from './subscription.ts'

export type Authentication<Caller> =
  | { readonly kind: 'accepted'; readonly caller: Caller }
  | { readonly kind: 'refused'; readonly detail: string }

export type Admission =
  | { readonly kind: 'admitted'; readonly scope: ClientScope }
  | { readonly kind: 'refused'; readonly code: GrpcStatusCode; readonly detail: string }

export interface DeltaXdsServerOptions<Caller> {
  readonly authenticate: (call: GrpcCaller) => Promise<Authentication<Caller>>
  /** Whether the caller may open a stream as this node, and what it may see. */
  readonly admit: (caller: Caller, node: DiscoveryNode) => Admission
  /**
   * What a request is answered with that is a question and no subscription, as those for dumps are; undefined for every
   * other. A caller that has only asked questions is no client.
   *
   * @throws {GrpcError} which ends the stream.
   */
  readonly question?: (caller: Caller, request: DeltaRequest) => Promise<DeltaResponse> | undefined
  /** False until the state is computed: an empty snapshot would tell every node that the mesh is empty. */
  readonly isSynced: () => boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly onEvent?: (event: XdsServerEvent) => void
  readonly limits?: XdsLimits
}

export type XdsServerEvent =
  /** `version` is what the client says it is. */
  | { readonly kind: 'connected' | 'disconnected'; readonly version: string }
  | { readonly kind: 'request'; readonly typeUrl: string; readonly outcome: RequestOutcome }
  | ({ readonly kind: 'push' } & Push)
  /** A response was taken by the client's connection. */
  | { readonly kind: 'sent'; readonly tookMs: number }
  /** A row of the table of limits was hit. */
  | { readonly kind: 'limit'; readonly limit: keyof XdsLimits }

/** One connected client, for debugging. */
export interface XdsConnection {
  readonly id: string
  readonly node: DiscoveryNode
  readonly identity: string
  readonly peer: string
  readonly connectedAtMs: number
  readonly types: Readonly<Record<string, SubscriptionStatus>>
  /** What it may see. */
  readonly views: readonly ResourceView[]
}

/**
 * Delta ADS. A client that reads slowly holds back its own pushes only: they are merged until it can take more. One that
 * has just come, and waits, is served before those that are told of changes.
 */
export class DeltaXdsServer<Caller> {
  readonly #options: DeltaXdsServerOptions<Caller>
  readonly #limits: XdsLimits
  readonly #connections = new Map<string, ClientStream>()
  readonly #scheduler: PushScheduler<ClientStream>
  readonly #newStreams: RateLimit
  #counter = 0

  constructor(options: DeltaXdsServerOptions<Caller>) {
    this.#options = options
    this.#limits = options.limits ?? xdsLimits
    this.#newStreams = new RateLimit(this.#limits.streamsPerSecond, this.#limits.streamWaitMs)
    this.#scheduler = new PushScheduler({
      clock: options.clock,
      limits: this.#limits,
      onFault: (client, cause) => this.#onFault(client, cause),
      onNoRoom: () => this.#onLimit('unreadBytes'),
    })
  }

  /** To be given to a gRPC server. */
  get methods(): Readonly<Record<string, GrpcMethod>> {
    return { [DELTA_AGGREGATED_PATH]: (call) => this.#serve(call) }
  }

  connections(): readonly XdsConnection[] {
    return [...this.#connections.values()].map((connection) => ({
      ...connection.facts,
      identity: connection.scope.identity,
      peer: connection.call.peer,
      types: connection.types(),
      views: connection.scope.views,
    }))
  }

  async #serve(call: GrpcServerCall): Promise<void> {
    let connection: ClientStream | undefined
    try {
      await this.#awaitTurn(call.over)
      const authentication = await this.#options.authenticate(call)
      if (authentication.kind === 'refused')
        throw new GrpcError(grpcStatus.unauthenticated, authentication.detail)
      for await (const bytes of call.requests()) {
        const request = readRequest(bytes)
        const answer = this.#options.question?.(authentication.caller, request)
        if (answer !== undefined) {
          if (request.nonce === '') await call.send(encodeDeltaResponse(await answer))
          continue
        }
        connection ??= this.#open(call, request, authentication.caller)
        this.#onRequest(connection, request)
      }
    } catch (cause) {
      if (!call.over.aborted) {
        const error = errorText(cause)
        this.#options.logger.warn('xds stream refused', { peer: call.peer, error })
      }
      throw cause
    } finally {
      if (connection !== undefined) this.#close(connection)
    }
  }

  async #awaitTurn(over: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const waitMs = this.#newStreams.take(clock.monotonicMs())
    if (waitMs === undefined) {
      this.#onLimit('streamsPerSecond')
      throw new GrpcError(grpcStatus.resourceExhausted, 'too many new streams: try again later')
    }
    if (waitMs > 0) await clock.sleep(waitMs, over)
  }

  #open(call: GrpcServerCall, first: DeltaRequest, caller: Caller): ClientStream {
    const { admit, isSynced, clock } = this.#options
    const { node } = first
    if (node === undefined || node.id === '')
      throw new GrpcError(grpcStatus.invalidArgument, 'the first request of a stream must name its node')
    if (!isSynced()) throw new GrpcError(grpcStatus.unavailable, 'the control plane is not ready yet')
    const admission = admit(caller, node)
    if (admission.kind === 'refused') throw new GrpcError(admission.code, admission.detail)
    const facts = { id: `${node.id}-${++this.#counter}`, node, connectedAtMs: clock.nowMs() }
    const connection: ClientStream = new ClientStream(facts, admission.scope, call, {
      limits: this.#limits,
      clock,
      onDue: (client) => this.#scheduler.add(client),
      onPush: (push) => {
        this.#scheduler.onPushed(push.bytes)
        this.#options.onEvent?.({ kind: 'push', ...push })
      },
      onSent: (bytes, tookMs) => {
        this.#scheduler.onSent(bytes)
        this.#options.onEvent?.({ kind: 'sent', tookMs })
      },
      onHeld: () => this.#onLimit('inFlightBytes'),
      onStuck: () => this.#onLimit('sendMs'),
      onFault: (cause) => this.#onFault(connection, cause),
    })
    this.#connections.set(facts.id, connection)
    this.#options.onEvent?.({ kind: 'connected', version: versionOf(node) })
    return connection
  }

  #close(connection: ClientStream): void {
    connection.close()
    this.#scheduler.delete(connection)
    this.#connections.delete(connection.facts.id)
    this.#options.onEvent?.({ kind: 'disconnected', version: versionOf(connection.facts.node) })
  }

  #onRequest(connection: ClientStream, request: DeltaRequest): void {
    const { typeUrl, error } = request
    const outcome = connection.onRequest(request)
    if (outcome === 'nack')
      this.#options.logger.warn('xds push refused by client', {
        node: connection.facts.node.id,
        type: typeUrl,
        error: error?.message,
      })
    this.#options.onEvent?.({ kind: 'request', typeUrl, outcome })
  }

  #onLimit(limit: keyof XdsLimits): void {
    this.#options.onEvent?.({ kind: 'limit', limit })
  }

  #onFault(connection: ClientStream, cause: unknown): void {
    this.#options.logger.error('cannot push', {
      node: connection.facts.node.id,
      error: errorText(cause),
    })
    connection.call.end({ code: grpcStatus.internal, message: 'internal error' })
  }
}

function versionOf({ metadata }: DiscoveryNode): string {
  const version = metadata['ISTIO_VERSION']
  return typeof version === 'string' && version !== '' ? version : 'unknown'
}

function readRequest(bytes: Buffer): DeltaRequest {
  try {
    return decodeDeltaRequest(bytes)
  } catch (cause) {
    throw new GrpcError(grpcStatus.invalidArgument, 'a request that cannot be read', { cause })
  }
}
