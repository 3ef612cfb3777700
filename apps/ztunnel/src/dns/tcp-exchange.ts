import { decodeHead, DnsError, isAnswerTo } from '@ambient/dns'
import { errnoName, formatAddress, startConnect } from '@ambient/linux'
import { DnsStream, type DnsStreamOwner } from './dns-stream.ts'
import type { Exchange, ExchangeDeps, ExchangeEnd, ExchangeRequest } from './exchange.ts'

/** Asks over a TCP connection of its own, for an answer that is too long for a datagram. */
export class TcpExchange implements Exchange, DnsStreamOwner {
  readonly #fd: number
  readonly #request: ExchangeRequest
  readonly #onEnd: (end: ExchangeEnd) => void
  readonly #stream: DnsStream
  #hasEnded = false

  constructor(fd: number, request: ExchangeRequest, deps: ExchangeDeps) {
    this.#fd = fd
    this.#request = request
    this.#onEnd = deps.onEnd
    this.#stream = new DnsStream(fd, deps, this)
  }

  start(): void {
    const started = startConnect(this.#fd, this.#request.to)
    if (started.kind === 'failed') return this.#fail(errnoName(started.errno))
    this.#stream.send(this.#request.query)
  }

  wantsMessage(): boolean {
    return !this.#hasEnded
  }

  onMessage(message: Uint8Array): void {
    try {
      const head = decodeHead(message)
      if (!isAnswerTo(head, this.#request.id, this.#request.question))
        return this.#fail('the answer is to another question')
      this.#end({ kind: 'answered', message, head })
    } catch (cause) {
      if (!(cause instanceof DnsError)) throw cause
      this.#fail(cause.message)
    }
  }

  onSent(): void {}

  onEnd(): void {
    this.#fail('the connection ended without an answer')
  }

  onFailure(code: number): void {
    this.#fail(errnoName(code))
  }

  onFault(cause: unknown): void {
    this.#fail(String(cause))
  }

  close(): void {
    this.#hasEnded = true
    this.#stream.close()
  }

  #fail(detail: string): void {
    this.#end({ kind: 'failed', detail: `${formatAddress(this.#request.to)} over TCP: ${detail}` })
  }

  #end(end: ExchangeEnd): void {
    if (this.#hasEnded) return
    this.close()
    this.#onEnd(end)
  }
}
