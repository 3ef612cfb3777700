import {
  DATA_EVENTS,
  EPOLLERR,
  EPOLLHUP,
  EPOLLRDHUP,
  type EventLoop,
  type Source,
  type Timer,
} from '@ambient/event-loop'
import { Backoff } from '@ambient/lifecycle'
import {
  Arena,
  closeDescriptor,
  errnoName,
  receivePacket,
  sendPacket,
  seqpacketConnect,
} from '@ambient/linux'
import { encodeZdsHello } from '@ambient/xds-proto'
import { type ZdsLimits, zdsLimits } from './zds-limits.ts'
import { decodeRequest, encodeAck, type ZdsPacket, type ZdsRequest } from './zds-request.ts'

/** Answers the request it came with: no error is success. Once; a second call, or one after the connection, does nothing. */
export type Ack = (error?: string) => void

export interface ZdsClientOptions {
  /** Where the agent listens. */
  readonly path: string
  readonly limits?: Partial<ZdsLimits>
  /** The hello is out; a snapshot follows. */
  onConnected(): void
  /** Everything said before no longer counts; the next connection is already being made. */
  onDisconnected(reason: string): void
  /** The next request is looked at when this one is answered. */
  onRequest(request: ZdsRequest, ack: Ack): void
  /** The agent broke the protocol and was told so; it is not connected to again. The process should end. */
  onProtocolError(reason: string): void
}

type ClientState =
  | { readonly kind: 'waiting'; readonly timer: Timer }
  | { readonly kind: 'connected'; readonly fd: number; progress: 'hello' | 'served'; isAnswering: boolean }
  | { readonly kind: 'closed' }

const HANG_UP = EPOLLERR | EPOLLHUP | EPOLLRDHUP

/** ztunnel's end of ZDS: keeps one connection to the CNI agent and serves its requests strictly one after another. */
export class ZdsClient implements Source {
  readonly #loop: EventLoop
  readonly #options: ZdsClientOptions
  readonly #limits: ZdsLimits
  readonly #backoff: Backoff
  readonly #buffer: Arena
  #state: ClientState

  constructor(loop: EventLoop, options: ZdsClientOptions) {
    this.#loop = loop
    this.#options = options
    this.#limits = { ...zdsLimits, ...options.limits }
    this.#buffer = new Arena(this.#limits.messageBytes)
    const { reconnectFirstMs: firstMs, reconnectMaxMs: maxMs } = this.#limits
    this.#backoff = new Backoff({ firstMs, factor: 2, maxMs, jitter: 0 }, { float: () => 0.5 })
    this.#state = this.#connectAfter(0)
  }

  get isConnected(): boolean {
    return this.#state.kind === 'connected'
  }

  onEvents(events: number): void {
    // Requests still queued are repeated by the next connection's snapshot.
    if ((events & HANG_UP) !== 0) this.#disconnect('the agent closed the connection')
    else this.run()
  }

  /** Reads the next request unless one is being answered. */
  run(): void {
    const state = this.#state
    if (state.kind !== 'connected' || state.isAnswering) return
    const received = receivePacket(state.fd, this.#buffer)
    switch (received.kind) {
      case 'wait':
        return
      case 'packet':
        return this.#serve(received)
      case 'eof':
        return this.#disconnect('the agent closed the connection')
      case 'failed':
        return this.#disconnect(`receive: ${errnoName(received.errno)}`)
    }
  }

  onFault(cause: unknown): void {
    if (this.#state.kind === 'waiting') this.#state = this.#connectAfter(this.#backoff.nextMs())
    this.#disconnect(`fault: ${String(cause)}`)
  }

  /** Ends the connection for good, without a callback. */
  close(): void {
    this.#leave()
    this.#state = { kind: 'closed' }
  }

  #connect(): void {
    const connected = seqpacketConnect(this.#options.path)
    if (connected.kind === 'failed') {
      this.#state = this.#connectAfter(this.#backoff.nextMs())
      return
    }
    const { fd } = connected
    this.#state = { kind: 'connected', fd, progress: 'hello', isAnswering: false }
    if (sendPacket(fd, encodeZdsHello(), []).kind !== 'sent')
      return this.#disconnect('hello could not be sent')
    // First, because whoever is told may close it.
    this.#loop.add(fd, DATA_EVENTS, this)
    this.#options.onConnected()
  }

  #serve(packet: ZdsPacket): void {
    const decoded = decodeRequest(packet)
    if (decoded.kind === 'request') return this.#hand(decoded.request)
    for (const fd of packet.fds) closeDescriptor(fd)
    if (decoded.kind === 'unreadable') {
      this.#send(`failure to read message : ${decoded.reason}`)
      return this.#disconnect(decoded.reason)
    }
    this.#send(`failure to process message : ProtocolError("${decoded.reason}")`)
    this.close()
    this.#options.onProtocolError(decoded.reason)
  }

  #hand(request: ZdsRequest): void {
    const state = this.#state
    if (state.kind !== 'connected') return
    state.isAnswering = true
    let isAnswered = false
    this.#options.onRequest(request, (error) => {
      if (isAnswered) return
      isAnswered = true
      // An answer for a connection that is gone would be taken for the answer to something else.
      if (this.#state !== state) return
      state.isAnswering = false
      state.progress = 'served'
      if (this.#send(error)) this.#loop.again(this)
      else this.#disconnect('answer could not be sent')
    })
  }

  #send(error: string | undefined): boolean {
    const state = this.#state
    if (state.kind !== 'connected') return false
    return sendPacket(state.fd, encodeAck(error, this.#limits.ackErrorBytes), []).kind === 'sent'
  }

  #disconnect(reason: string): void {
    const state = this.#state
    if (state.kind !== 'connected') return
    this.#leave()
    // At once after a connection that did something; an agent that fails each time is met with growing patience.
    if (state.progress === 'served') this.#backoff.reset()
    this.#state = this.#connectAfter(state.progress === 'served' ? 0 : this.#backoff.nextMs())
    this.#options.onDisconnected(reason)
  }

  #leave(): void {
    const state = this.#state
    if (state.kind === 'waiting') state.timer.cancel()
    if (state.kind !== 'connected') return
    this.#loop.remove(state.fd)
    closeDescriptor(state.fd)
  }

  #connectAfter(delayMs: number): ClientState {
    return { kind: 'waiting', timer: this.#loop.after(delayMs, () => this.#connect(), this) }
  }
}
