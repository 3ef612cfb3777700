import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { TLSSocket } from 'node:tls'
import { type GrpcStatus, grpcStatus, statusTrailers } from './grpc-status.ts'
import { messagePrefix, readMessages } from './message-frame.ts'

/** A message to send, in pieces that are neither copied nor to be changed any more. */
export interface GrpcMessage {
  readonly pieces: readonly Uint8Array[]
  /** `gzip` only to a client that accepts it. */
  readonly encoding: 'identity' | 'gzip'
}

/** Who calls, as far as the connection tells. */
export interface GrpcCaller {
  /** Header names in lower case. */
  readonly metadata: ReadonlyMap<string, string>
  readonly peer: string
  /** The client's certificate, DER, if it sent one and it is of the server's client roots. */
  readonly certificate: Uint8Array | undefined
}

/** Pieces below this are cheaper to copy into one than to send one by one. */
const JOINED_BYTES = 65_536

/** One call as the server sees it, from its headers to its status. */
export class GrpcServerCall implements GrpcCaller {
  readonly metadata: ReadonlyMap<string, string>
  readonly peer: string
  readonly certificate: Uint8Array | undefined
  readonly acceptsGzip: boolean
  readonly #stream: ServerHttp2Stream
  readonly #maxBytes: number
  readonly #over = new AbortController()
  #isEnded = false

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, maxBytes: number) {
    const socket = stream.session?.socket
    this.metadata = readMetadata(headers)
    this.peer = `${socket?.remoteAddress ?? 'unknown'}:${socket?.remotePort ?? 0}`
    this.certificate =
      socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate()?.raw : undefined
    this.acceptsGzip = (this.metadata.get('grpc-accept-encoding') ?? '').split(/, */).includes('gzip')
    this.#stream = stream
    this.#maxBytes = maxBytes
    stream.on('error', () => {}) // how it ended is seen by `close`
    stream.once('close', () => this.#over.abort(new DOMException('The call is over', 'AbortError')))
  }

  /** Aborts when nothing can be sent any more, whoever ended it. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  /** Whether the status has been given: what is written from now on goes nowhere. */
  get isEnded(): boolean {
    return this.#isEnded || this.#stream.destroyed
  }

  /** @throws {GrpcError} for a message that cannot be taken. */
  requests(): AsyncGenerator<Buffer, void, undefined> {
    const encoding = this.metadata.get('grpc-encoding') ?? 'identity'
    // An error in whoever reads must leave the stream whole: its status is still to be sent.
    const chunks: AsyncIterable<Buffer> = this.#stream.iterator({ destroyOnReturn: false })
    return readMessages(chunks, { maxBytes: this.#maxBytes, encoding })
  }

  /** @param written Told when the message has been taken by the connection, or that it never will be. */
  write({ pieces, encoding }: GrpcMessage, written: (error?: Error | null) => void): void {
    if (this.isEnded) return written(new Error('the call is over'))
    if (!this.#stream.headersSent) this.#respond()
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    const all = [messagePrefix(bytes, encoding), ...pieces]
    const last = bytes <= JOINED_BYTES ? Buffer.concat(all.splice(0)) : all.pop()
    for (const piece of all) this.#stream.write(piece)
    // A stream that is cut tells what it still held as if it were written.
    this.#stream.write(last, (error) =>
      written(error ?? (this.#stream.destroyed ? new Error('the call is over') : null)),
    )
  }

  /** One message, whole. Settles when the connection has taken it, or when it never will. */
  send(message: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.write({ pieces: [message], encoding: 'identity' }, () => resolve()))
  }

  /** Gives the status, after everything that was written; only the first one counts. */
  end(status: GrpcStatus): void {
    if (this.isEnded) return
    this.#isEnded = true
    const trailers = statusTrailers(status)
    if (!this.#stream.headersSent) {
      this.#stream.respond({ ...responseHeaders('identity'), ...trailers }, { endStream: true })
    } else {
      this.#stream.once('wantTrailers', () => this.#stream.sendTrailers(trailers))
      this.#stream.end()
    }
    this.#stream.resume() // what the client still says concerns nobody, and must not hold the connection up
  }

  /** Cuts the call: what has not been read is thrown away. */
  cancel(): void {
    this.#isEnded = true
    this.#stream.close(constants.NGHTTP2_CANCEL)
    this.#stream.destroy()
  }

  #respond(): void {
    this.#stream.respond(responseHeaders(this.acceptsGzip ? 'gzip' : 'identity'), { waitForTrailers: true })
  }
}

export function isGrpcRequest(headers: IncomingHttpHeaders): boolean {
  return headers[':method'] === 'POST' && /^application\/grpc\b/.test(headers['content-type'] ?? '')
}

/** Refuses a request that is no call of a method we have. */
export function refuseRequest(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  stream.on('error', () => {}) // the client went away
  if (!isGrpcRequest(headers)) return stream.respond({ ':status': 415 }, { endStream: true })
  const status = { code: grpcStatus.unimplemented, message: `unknown method ${headers[':path'] ?? ''}` }
  stream.respond({ ...responseHeaders('identity'), ...statusTrailers(status) }, { endStream: true })
}

function responseHeaders(encoding: 'identity' | 'gzip'): Readonly<Record<string, string | number>> {
  return {
    ':status': 200,
    'content-type': 'application/grpc',
    'grpc-accept-encoding': 'identity,gzip',
    ...(encoding === 'identity' ? {} : { 'grpc-encoding': encoding }),
  }
}

function readMetadata(headers: IncomingHttpHeaders): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>()
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(':') || value === undefined) continue
    metadata.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  return metadata
}
