import { type DnsQuestion, responseCodes, withMessageId } from '@ambient/dns'
import type { Timer } from '@ambient/event-loop'
import { familyOf, type SocketAddress, SyscallError } from '@ambient/linux'
import type { DnsThread } from './dns-thread.ts'
import type { Exchange, ExchangeDeps, ExchangeEnd, ExchangeRequest } from './exchange.ts'
import { TcpExchange } from './tcp-exchange.ts'
import { UdpExchange } from './udp-exchange.ts'

export interface ForwardRequest {
  /** As the client sent it. */
  readonly query: Uint8Array
  readonly question: DnsQuestion
  /** An answer that was cut short is fetched again whole; else the client is told, and asks again over TCP. */
  readonly wantsWhole: boolean
}

export interface ForwardDeps {
  readonly thread: DnsThread
  /** A socket of the pod, marked as ours. @throws {SyscallError} */
  readonly openSocket: (kind: 'udp' | 'tcp', family: 'v4' | 'v6') => number
  /** Told once, unless it is closed before; the answer has the id it was asked under. */
  readonly onEnd: (end: ExchangeEnd) => void
}

/** Another name server may do better. */
const ANSWERS_OF_THE_UNABLE: ReadonlySet<number> = new Set([
  responseCodes.serverFailure,
  responseCodes.notImplemented,
  responseCodes.refused,
])

/**
 * One query on its way to the name servers, in their order, each attempt under a new id and from a new port. The query is
 * relayed byte for byte and so is the answer, but for the id. It ends after `dnsForwardMs` at the latest.
 */
export class ForwardedQuery {
  readonly #request: ForwardRequest
  readonly #deps: ForwardDeps
  /** One name server an attempt. */
  readonly #attempts: readonly SocketAddress[]
  #nextAttempt = 0
  #exchange: Exchange | undefined
  #timer: Timer | undefined
  /** The best that was heard so far. */
  #fallback: ExchangeEnd = { kind: 'failed', detail: 'there is no name server in resolv.conf' }

  constructor(request: ForwardRequest, deps: ForwardDeps) {
    this.#request = request
    this.#deps = deps
    const { settings, limits } = deps.thread
    const rounds = Array.from({ length: limits.dnsAttempts }, () => settings.nameservers).flat()
    this.#attempts = rounds.slice(0, Math.max(limits.dnsAttempts, settings.nameservers.length))
  }

  /** May end it at once. */
  start(): void {
    this.#tryNext()
  }

  /** Gives it up; nobody is told. */
  close(): void {
    this.#timer?.cancel()
    this.#exchange?.close()
    this.#exchange = undefined
    this.#nextAttempt = this.#attempts.length
  }

  #tryNext(): void {
    const to = this.#attempts[this.#nextAttempt]
    if (to === undefined) return this.#end(this.#fallback)
    this.#nextAttempt++
    const { loop, limits } = this.#deps.thread
    this.#timer?.cancel()
    this.#timer = loop.after(
      limits.dnsForwardMs / this.#attempts.length,
      () => this.#failed(`${to.ip} did not answer in time`),
      { onFault: (cause) => this.#end({ kind: 'failed', detail: String(cause) }) },
    )
    this.#ask('udp', to)
  }

  #ask(kind: 'udp' | 'tcp', to: SocketAddress): void {
    const { thread, openSocket } = this.#deps
    const [high = 0, low = 0] = thread.random.bytes(2)
    const id = (high << 8) | low
    const { query, question } = this.#request
    const request: ExchangeRequest = { query: withMessageId(query, id), id, question, to }
    const deps: ExchangeDeps = {
      loop: thread.loop,
      arena: thread.arena,
      onEnd: (end) => this.#heard(kind, to, end),
    }
    this.#exchange?.close()
    this.#exchange = undefined
    try {
      const fd = openSocket(kind, familyOf(to.ip))
      this.#exchange =
        kind === 'udp' ? new UdpExchange(fd, request, deps) : new TcpExchange(fd, request, deps)
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause
      return this.#failed(cause.message)
    }
    this.#exchange.start()
  }

  #heard(kind: 'udp' | 'tcp', to: SocketAddress, end: ExchangeEnd): void {
    if (end.kind === 'failed') return this.#failed(end.detail)
    if (end.head.isTruncated && kind === 'udp' && this.#request.wantsWhole) return this.#ask('tcp', to)
    const hasOthers = this.#attempts.slice(this.#nextAttempt).some(({ ip }) => ip !== to.ip)
    if (ANSWERS_OF_THE_UNABLE.has(end.head.responseCode) && hasOthers) {
      this.#fallback = end
      return this.#tryNext()
    }
    this.#end(end)
  }

  #failed(detail: string): void {
    if (this.#fallback.kind === 'failed') this.#fallback = { kind: 'failed', detail }
    this.#tryNext()
  }

  #end(end: ExchangeEnd): void {
    this.close()
    if (end.kind === 'failed') return this.#deps.onEnd(end)
    const id = new DataView(this.#request.query.buffer, this.#request.query.byteOffset).getUint16(0)
    this.#deps.onEnd({ ...end, message: withMessageId(end.message, id) })
  }
}
