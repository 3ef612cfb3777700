import { once } from 'node:events'
import {
  createSecureServer,
  createServer,
  type Http2Session,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { Random } from '@ambient/lifecycle'
import { isAddressInfo } from '@ambient/telemetry'
import { GrpcError, grpcStatus } from './grpc-status.ts'
import { type GrpcLimits, grpcLimits } from './limits.ts'
import { GrpcServerCall, isGrpcRequest, refuseRequest } from './server-call.ts'

/** Serves one call: it is over when the promise settles, with `ok` or what it was rejected with. */
export type GrpcMethod = (call: GrpcServerCall) => Promise<void>

/** PEM. */
export interface GrpcCredentials {
  readonly certificateChainPem: string
  readonly privateKeyPem: string
  /** Whose client certificates count; a client without one, or with another, is served all the same. */
  readonly clientRootsPem: string
}

export interface GrpcServerOptions {
  readonly address: string
  /** 0 takes any that is free. */
  readonly port: number
  readonly credentials: GrpcCredentials | 'plaintext'
  /** By path, `/package.Service/Method`. */
  readonly methods: Readonly<Record<string, GrpcMethod>>
  readonly random: Pick<Random, 'float'>
  /** Told of errors of our own; the caller is told `internal`. */
  readonly onFault: (cause: unknown) => void
  readonly limits?: GrpcLimits
}

type AnyServer = Http2Server | Http2SecureServer

const AGE_SPREAD = 0.1
const WINDOW_BYTES = 1 << 20
/** Of a session's unsent data, in MB; Node refuses new streams above it. */
const SESSION_MEMORY_MB = 256
const SHUTTING_DOWN = { code: grpcStatus.unavailable, message: 'transport is closing: the server stops' }
const TOO_OLD = { code: grpcStatus.unavailable, message: 'transport is closing: the connection is old' }

/**
 * gRPC over HTTP/2. Unlike the server of `@grpc/grpc-js`, it sends messages in shared pieces and compressed, takes a
 * new certificate without dropping a connection, and can cut a client that does not read.
 *
 * @see gRPC doc/PROTOCOL-HTTP2.md
 */
export class GrpcServer implements AsyncDisposable {
  readonly #options: GrpcServerOptions
  readonly #limits: GrpcLimits
  readonly #server: AnyServer
  readonly #sessions = new Map<Http2Session, Set<GrpcServerCall>>()
  /** Of all connections, those included that are no sessions yet. */
  readonly #sockets = new Set<Socket>()

  private constructor(options: GrpcServerOptions) {
    this.#options = options
    this.#limits = options.limits ?? grpcLimits
    const server = makeServer(options.credentials, this.#limits)
    this.#server = server
    server.maxConnections = this.#limits.sessions
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('session', (session: ServerHttp2Session) => this.#onSession(session))
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.#onStream(stream, headers),
    )
    server.on('sessionError', () => {}) // it is closed by itself
  }

  /** @throws when the port cannot be had. */
  static async open(options: GrpcServerOptions): Promise<GrpcServer> {
    const server = new GrpcServer(options)
    server.#server.listen(options.port, options.address)
    await once(server.#server, 'listening')
    return server
  }

  get port(): number {
    const address = this.#server.address()
    return isAddressInfo(address) ? address.port : 0
  }

  /** For connections from now on; those there are stay. */
  setCredentials(credentials: GrpcCredentials): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext(tlsOptions(credentials))
  }

  /** Ends every call with `unavailable`, which sends clients to another replica, and cuts what still runs after the grace. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const [session, calls] of this.#sessions) {
      for (const call of calls) call.end(SHUTTING_DOWN)
      session.close()
    }
    const cut = setTimeout(() => {
      for (const session of this.#sessions.keys()) session.destroy()
      for (const socket of this.#sockets) socket.destroy()
    }, this.#limits.graceMs)
    await closed
    clearTimeout(cut)
  }

  #onSession(session: ServerHttp2Session): void {
    const { keepaliveMs, keepaliveAnswerMs, sessionAgeMs, graceMs } = this.#limits
    const calls = new Set<GrpcServerCall>()
    this.#sessions.set(session, calls)
    let late: NodeJS.Timeout | undefined
    const ask = setInterval(() => {
      if (session.destroyed) return
      late = setTimeout(() => session.destroy(), keepaliveAnswerMs)
      session.ping(() => clearTimeout(late))
    }, keepaliveMs)
    const spread = 1 + AGE_SPREAD * (2 * this.#options.random.float() - 1)
    let cut: NodeJS.Timeout | undefined
    const age = setTimeout(() => {
      for (const call of calls) call.end(TOO_OLD)
      session.close()
      cut = setTimeout(() => session.destroy(), graceMs)
    }, sessionAgeMs * spread)
    session.on('error', () => {}) // `close` follows
    session.once('close', () => {
      clearInterval(ask)
      for (const timer of [late, age, cut]) clearTimeout(timer)
      this.#sessions.delete(session)
    })
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const path = headers[':path'] ?? ''
    const { methods } = this.#options
    const method = Object.hasOwn(methods, path) ? methods[path] : undefined
    if (method === undefined || !isGrpcRequest(headers)) return refuseRequest(stream, headers)
    const call = new GrpcServerCall(stream, headers, this.#limits.requestBytes)
    const calls = stream.session === undefined ? undefined : this.#sessions.get(stream.session)
    calls?.add(call)
    call.over.addEventListener('abort', () => calls?.delete(call), { once: true })
    method(call).then(
      () => call.end({ code: grpcStatus.ok, message: '' }),
      (cause: unknown) => this.#fail(call, cause),
    )
  }

  #fail(call: GrpcServerCall, cause: unknown): void {
    if (cause instanceof GrpcError) return call.end(cause)
    if (call.isEnded) return // the client went away in the middle of a message
    this.#options.onFault(cause)
    call.end({ code: grpcStatus.internal, message: 'internal error' })
  }
}

function makeServer(credentials: GrpcCredentials | 'plaintext', limits: GrpcLimits): AnyServer {
  const options = {
    maxSessionMemory: SESSION_MEMORY_MB,
    settings: { maxConcurrentStreams: limits.streamsPerSession, initialWindowSize: WINDOW_BYTES },
  }
  if (credentials === 'plaintext') return createServer(options)
  return createSecureServer({
    ...options,
    ...tlsOptions(credentials),
    handshakeTimeout: limits.handshakeMs,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
  })
}

function tlsOptions(credentials: GrpcCredentials): SecureServerOptions {
  const { certificateChainPem, privateKeyPem, clientRootsPem } = credentials
  return { cert: certificateChainPem, key: privateKeyPem, ca: clientRootsPem, minVersion: 'TLSv1.2' }
}
