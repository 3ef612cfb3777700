import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { ChannelCredentials, Client, type ClientDuplexStream, Metadata, status } from '@grpc/grpc-js'
import { Backoff, type Clock, type Random } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import { decodeDeltaResponse, DELTA_AGGREGATED_PATH, type DeltaRequest, type DeltaResponse, type DiscoveryNode, encodeDeltaRequest } from '@ambient/xds-proto'
import { decodeAddresses, decodeAuthorizations, type XdsSink } from './apply-response.ts'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from './type-urls.ts'

export type XdsTermination = 'ConnectionError' | 'Error' | 'Reconnect' | 'Complete'

export type XdsEvent =
  | { readonly kind: 'response'; readonly typeUrl: string; readonly bytes: number }
  /** The first answer of this type was taken whole. */
  | { readonly kind: 'synced'; readonly typeUrl: string }
  | { readonly kind: 'terminated'; readonly reason: XdsTermination; readonly detail: string }

export interface XdsClientOptions {
  readonly address: { readonly host: string; readonly port: number; readonly plaintext: boolean }
  /** PEM; read anew at each connect. */
  readonly roots: () => Promise<string>
  /** A second server name that is accepted. */
  readonly altHostname: string | undefined
  readonly token: () => Promise<string | undefined>
  readonly headers: Readonly<Record<string, string>>
  readonly clusterId: string
  readonly node: DiscoveryNode
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly onEvent?: (event: XdsEvent) => void
}

type Stream = ClientDuplexStream<Partial<DeltaRequest> & Pick<DeltaRequest, 'typeUrl'>, Received>

interface Received {
  readonly response: DeltaResponse
  readonly bytes: number
}

const MAX_MESSAGE_BYTES = 200 << 20
const TYPES = [ADDRESS_TYPE, AUTHORIZATION_TYPE]
const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
}
/** Ends that say "come again", not "something is wrong". */
const RECONNECT_CODES: ReadonlySet<number> = new Set([status.UNKNOWN, status.CANCELLED, status.DEADLINE_EXCEEDED])

/**
 * Keeps a delta stream to the control plane until `signal` aborts. What was accepted is remembered across streams, so
 * a reconnect is sent the difference only; while there is no stream, what is known stays in force.
 *
 * @see ztunnel `src/xds/client.rs`; unlike it, every delay has jitter and no failure retries at once.
 */
export async function runXdsClient(options: XdsClientOptions, sink: XdsSink, signal: AbortSignal): Promise<void> {
  const versions = new Map(TYPES.map((type) => [type, new Map<string, string>()]))
  const synced = new Set<string>()
  const backoff = new Backoff({ firstMs: 10, factor: 2, maxMs: 15_000, jitter: 0.2 }, options.random)
  while (!signal.aborted) {
    const end = await runStream({ options, sink, versions, synced }, signal)
    if (signal.aborted) return
    options.onEvent?.({ kind: 'terminated', reason: end.reason, detail: end.detail })
    options.logger[end.reason === 'Error' ? 'warn' : 'debug']('xds stream ended', { reason: end.reason, error: end.detail })
    if (end.sawResponse) backoff.reset()
    try {
      await options.clock.sleep(backoff.nextMs(), signal)
    } catch {
      return // aborted
    }
  }
}

interface StreamState {
  readonly options: XdsClientOptions
  readonly sink: XdsSink
  readonly versions: ReadonlyMap<string, Map<string, string>>
  readonly synced: Set<string>
}

interface StreamEnd {
  readonly reason: XdsTermination
  readonly detail: string
  readonly sawResponse: boolean
}

async function runStream(state: StreamState, signal: AbortSignal): Promise<StreamEnd> {
  let sawResponse = false
  let client: Client | undefined
  const onAbort = (): void => client?.close()
  try {
    client = await openClient(state.options)
    const stream = openStream(client, await requestMetadata(state.options))
    const cancel = (): void => stream.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      for (const typeUrl of TYPES) {
        stream.write({ node: state.options.node, typeUrl, initialVersions: Object.fromEntries(state.versions.get(typeUrl) ?? []) })
      }
      for await (const received of stream) {
        sawResponse = true
        await answer(state, stream, received)
      }
    } finally {
      signal.removeEventListener('abort', cancel)
    }
    return { reason: 'Complete', detail: 'the server ended the stream', sawResponse }
  } catch (cause) {
    return { ...describeFailure(cause), sawResponse }
  } finally {
    onAbort()
  }
}

async function openClient(options: XdsClientOptions): Promise<Client> {
  const { host, port, plaintext } = options.address
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`
  if (plaintext) return new Client(target, ChannelCredentials.createInsecure(), CHANNEL_OPTIONS)
  const roots = Buffer.from(await options.roots())
  const verify = (name: string, certificate: PeerCertificate): Error | undefined => {
    const problem = checkServerIdentity(name, certificate)
    return problem !== undefined && options.altHostname !== undefined ? checkServerIdentity(options.altHostname, certificate) : problem
  }
  return new Client(target, ChannelCredentials.createSsl(roots, null, null, { checkServerIdentity: verify }), CHANNEL_OPTIONS)
}

async function requestMetadata({ token, headers, clusterId }: XdsClientOptions): Promise<Metadata> {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  const bearer = await token()
  if (bearer !== undefined) metadata.set('authorization', `Bearer ${bearer}`)
  metadata.set('clusterid', clusterId)
  return metadata
}

function openStream(client: Client, metadata: Metadata): Stream {
  return client.makeBidiStreamRequest<Partial<DeltaRequest> & Pick<DeltaRequest, 'typeUrl'>, Received>(
    DELTA_AGGREGATED_PATH,
    encodeDeltaRequest,
    (bytes) => ({ response: decodeDeltaResponse(bytes), bytes: bytes.length }),
    metadata,
  )
}

/** Applies one response, then says what became of it: what was accepted is kept even when something else was refused. */
async function answer({ options, sink, versions, synced }: StreamState, stream: Stream, { response, bytes }: Received): Promise<void> {
  const { typeUrl, nonce } = response
  options.onEvent?.({ kind: 'response', typeUrl, bytes })
  const known = versions.get(typeUrl)
  if (known === undefined) return void stream.write({ typeUrl, nonce })
  const { accepted, refused } = typeUrl === ADDRESS_TYPE ? await take(decodeAddresses, (delta) => sink.onAddresses(delta)) : await take(decodeAuthorizations, (delta) => sink.onAuthorizations(delta))
  for (const name of response.removed) known.delete(name)
  for (const [name, version] of accepted) known.set(name, version)
  if (refused.length > 0) {
    options.logger.warn('xds resources refused', { type: typeUrl, error: refused.join('; '), reason: 'RESOURCE_INVALID' })
    return void stream.write({ typeUrl, nonce, error: { code: 0, message: refused.join('; ') } })
  }
  stream.write({ typeUrl, nonce })
  if (synced.has(typeUrl)) return
  synced.add(typeUrl)
  options.onEvent?.({ kind: 'synced', typeUrl })

  async function take<D extends { readonly delta: unknown }>(decode: (from: DeltaResponse) => Promise<D>, apply: (delta: D['delta']) => void | Promise<void>): Promise<D> {
    const decoded = await decode(response)
    await apply(decoded.delta)
    return decoded
  }
}

function describeFailure(cause: unknown): Pick<StreamEnd, 'reason' | 'detail'> {
  const detail = cause instanceof Error ? cause.message : String(cause)
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined
  if (typeof code !== 'number') return { reason: 'Error', detail }
  if (RECONNECT_CODES.has(code) || /transport is closing|received prior goaway/i.test(detail)) return { reason: 'Reconnect', detail }
  return { reason: code === status.UNAVAILABLE ? 'ConnectionError' : 'Error', detail }
}
