import { type Client, type ClientDuplexStream, connectivityState } from '@grpc/grpc-js'
import { callMetadata, type ControlPlaneOptions, openChannel } from '@ambient/grpc'
import { Backoff, type Clock, type Random } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import {
  decodeDeltaResponse,
  DELTA_AGGREGATED_PATH,
  type DeltaRequest,
  type DeltaResponse,
  type DiscoveryNode,
  encodeDeltaRequest,
} from '@ambient/xds-proto'
import { applyResponse, SUBSCRIBED_TYPES, type XdsSink } from './apply-response.ts'
import type { AddressDemands } from './address-demands.ts'
import { type XdsLimits, xdsLimits } from './limits.ts'
import { COMPLETE, describeFailure, type StreamEnd, type XdsTermination } from './stream-end.ts'
import { ADDRESS_TYPE } from './type-urls.ts'
import { XdsError } from './xds-error.ts'

export type XdsEvent =
  | { readonly kind: 'response'; readonly typeUrl: string; readonly bytes: number }
  /** The first answer of this type was taken whole. */
  | { readonly kind: 'synced'; readonly typeUrl: string }
  | { readonly kind: 'terminated'; readonly reason: XdsTermination; readonly detail: string }

export interface XdsClientOptions extends ControlPlaneOptions {
  readonly node: DiscoveryNode
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly onEvent?: (event: XdsEvent) => void
  readonly limits?: XdsLimits
  /** With it, addresses come on demand; without it, all of them. */
  readonly demands?: AddressDemands
}

/** Everything asked for and taken back at once is a subscription to nothing yet. */
const NOTHING_YET = { subscribe: ['*'], unsubscribe: ['*'] }

interface Received {
  readonly response: DeltaResponse
  readonly bytes: number
}
type Request = Partial<DeltaRequest> & Pick<DeltaRequest, 'typeUrl'>
type Stream = ClientDuplexStream<Request, Received>

/** What outlives a stream. */
interface Session {
  readonly options: XdsClientOptions
  readonly limits: XdsLimits
  readonly sink: XdsSink
  /** Type → name → version of what the sink has taken. */
  readonly known: ReadonlyMap<string, Map<string, string>>
  readonly synced: Set<string>
}

/**
 * Keeps a delta stream to the control plane until `signal` aborts. What was accepted is remembered across streams, so
 * a reconnect is sent the difference only; while there is no stream, what is known stays in force.
 *
 * @see ztunnel `src/xds/client.rs`; unlike it, every delay has jitter and no failure retries at once.
 */
export async function runXdsClient(
  options: XdsClientOptions,
  sink: XdsSink,
  signal: AbortSignal,
): Promise<void> {
  const limits = options.limits ?? xdsLimits
  const session: Session = {
    options,
    limits,
    sink,
    known: new Map(SUBSCRIBED_TYPES.map((type) => [type, new Map<string, string>()])),
    synced: new Set(),
  }
  const backoff = new Backoff(
    { firstMs: limits.firstDelayMs, factor: 2, maxMs: limits.maxDelayMs, jitter: 0.2 },
    options.random,
  )
  while (!signal.aborted) {
    const startedMs = options.clock.monotonicMs()
    const end = await runStream(session, signal)
    if (signal.aborted) return
    options.onEvent?.({ kind: 'terminated', ...end })
    options.logger[end.reason === 'Error' ? 'warn' : 'debug']('xds stream ended', {
      reason: end.reason,
      error: end.detail,
    })
    if (options.clock.monotonicMs() - startedMs >= limits.stableMs) backoff.reset()
    try {
      await options.clock.sleep(backoff.nextMs(), signal)
    } catch {
      return // aborted
    }
  }
}

async function runStream(session: Session, signal: AbortSignal): Promise<StreamEnd> {
  const { options, limits } = session
  let client: Client | undefined
  const ended = new AbortController()
  try {
    const rootsPem = options.address.plaintext ? '' : await options.roots()
    client = openChannel({ ...options, rootsPem, maxMessageBytes: limits.maxResponseBytes })
    const metadata = await callMetadata(options)
    if (signal.aborted) return COMPLETE
    const stream = client.makeBidiStreamRequest<Request, Received>(
      DELTA_AGGREGATED_PATH,
      encodeDeltaRequest,
      decodeReceived,
      metadata,
    )
    stream.on('error', () => {}) // also of a stream that is cancelled after we have stopped reading it
    const late = watchConnect(client, stream, session, ended.signal)
    const cancel = (): void => stream.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      await readStream(session, stream)
    } catch (cause) {
      throw late.error ?? cause
    } finally {
      signal.removeEventListener('abort', cancel)
      stream.cancel()
    }
    return COMPLETE
  } catch (cause) {
    return describeFailure(cause)
  } finally {
    ended.abort()
    client?.close()
  }
}

/** Cancels a stream whose connection is not there in time: a host that answers nothing would hold it for minutes. */
function watchConnect(
  client: Client,
  stream: Stream,
  { options, limits }: Session,
  ended: AbortSignal,
): { readonly error: XdsError | undefined } {
  const late: { error: XdsError | undefined } = { error: undefined }
  options.clock.sleep(limits.connectMs, ended).then(
    () => {
      if (client.getChannel().getConnectivityState(false) === connectivityState.READY) return
      late.error = new XdsError('CONNECT_TIMEOUT', `Cannot connect within ${limits.connectMs} ms`)
      stream.cancel()
    },
    () => {}, // the stream ended first
  )
  return late
}

async function readStream(session: Session, stream: Stream): Promise<void> {
  const { node, demands } = session.options
  for (const [typeUrl, known] of session.known) {
    const initialVersions = Object.fromEntries(known)
    if (typeUrl === ADDRESS_TYPE && demands !== undefined) {
      // A name without a version stands for what was asked for by it: so do servers of any version understand it.
      for (const name of demands.names()) initialVersions[name] ??= ''
      stream.write({ node, typeUrl, ...NOTHING_YET, initialVersions })
    } else stream.write({ node, typeUrl, initialVersions })
  }
  demands?.begin((change) => void stream.write({ typeUrl: ADDRESS_TYPE, ...change }))
  try {
    const responses: AsyncIterable<unknown> = stream.iterator({ destroyOnReturn: false })
    for await (const received of responses) if (isReceived(received)) await answer(session, stream, received)
  } finally {
    demands?.end()
  }
}

/** Applies one response, then says what became of it: what was accepted is kept even when something else was refused. */
async function answer(
  { options, limits, sink, known, synced }: Session,
  stream: Stream,
  { response, bytes }: Received,
): Promise<void> {
  const { typeUrl, nonce } = response
  options.onEvent?.({ kind: 'response', typeUrl, bytes })
  const versions = known.get(typeUrl)
  if (versions === undefined) {
    options.logger.warn('xds response of a type that was not asked for', { type: typeUrl })
    stream.write({ typeUrl, nonce })
    return
  }
  const refused = await applyResponse(response, sink, versions, limits.sliceResources)
  if (typeUrl === ADDRESS_TYPE) options.demands?.answered(response, (name) => versions.has(name))
  if (refused.length > 0) {
    const message = refusalText(refused, limits.refusalBytes)
    options.logger.warn('xds resources refused', {
      type: typeUrl,
      error: message,
      reason: 'RESOURCE_INVALID',
    })
    stream.write({ typeUrl, nonce, error: { code: 0, message } })
    return
  }
  stream.write({ typeUrl, nonce })
  if (synced.has(typeUrl)) return
  synced.add(typeUrl)
  options.onEvent?.({ kind: 'synced', typeUrl })
}

/** The refusals in one text of about `maxBytes` at most: a server would not read a longer one. */
function refusalText(refused: readonly string[], maxBytes: number): string {
  const shown: string[] = []
  let bytes = 0
  for (const one of refused) {
    bytes += one.length
    if (shown.length > 0 && bytes > maxBytes) break
    shown.push(one.slice(0, maxBytes))
  }
  if (shown.length < refused.length) shown.push(`and ${refused.length - shown.length} more`)
  return shown.join('; ')
}

function decodeReceived(bytes: Buffer): Received {
  return { response: decodeDeltaResponse(bytes), bytes: bytes.length }
}

function isReceived(value: unknown): value is Received {
  return typeof value === 'object' && value !== null && 'response' in value
}
