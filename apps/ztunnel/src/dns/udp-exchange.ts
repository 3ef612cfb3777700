import { decodeHead, type DnsHead, DnsError, isAnswerTo } from '@ambient/dns'
import { LEVEL_READ, type Source } from '@ambient/event-loop'
import {
  closeDescriptor,
  errnoName,
  formatAddress,
  receiveDatagram,
  sendDatagram,
  startConnect,
} from '@ambient/linux'
import type { Exchange, ExchangeDeps, ExchangeEnd, ExchangeRequest } from './exchange.ts'

/** Others get their turn, however much somebody sends us. */
const DATAGRAMS_PER_TURN = 16

/**
 * Asks over UDP, from a socket of its own: what does not come from the name server the kernel drops, and what is not the
 * answer we drop, whoever guessed the port.
 */
export class UdpExchange implements Exchange, Source {
  readonly #fd: number
  readonly #request: ExchangeRequest
  readonly #deps: ExchangeDeps
  #isOpen = true

  constructor(fd: number, request: ExchangeRequest, deps: ExchangeDeps) {
    this.#fd = fd
    this.#request = request
    this.#deps = deps
    deps.loop.add(fd, LEVEL_READ, this)
  }

  start(): void {
    const { query, to } = this.#request
    const { arena } = this.#deps
    const connected = startConnect(this.#fd, to)
    if (connected.kind === 'failed') return this.#fail(connected.errno)
    arena.bytes.set(query)
    const sent = sendDatagram(this.#fd, arena, query.length, to)
    if (sent.kind === 'failed') this.#fail(sent.errno)
  }

  onEvents(): void {
    for (let i = 0; this.#isOpen && i < DATAGRAMS_PER_TURN; i++) {
      const { arena } = this.#deps
      const result = receiveDatagram(this.#fd, arena)
      if (result.kind === 'wait') return
      if (result.kind === 'failed') return this.#fail(result.errno)
      const message = arena.bytes.slice(0, result.length)
      const head = this.#answerIn(message)
      if (head !== undefined) this.#end({ kind: 'answered', message, head })
    }
  }

  onFault(cause: unknown): void {
    this.#end({ kind: 'failed', detail: String(cause) })
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#deps.loop.remove(this.#fd)
    closeDescriptor(this.#fd)
  }

  #answerIn(message: Uint8Array): DnsHead | undefined {
    try {
      const head = decodeHead(message)
      return isAnswerTo(head, this.#request.id, this.#request.question) ? head : undefined
    } catch (cause) {
      if (cause instanceof DnsError) return undefined
      throw cause
    }
  }

  #fail(code: number): void {
    this.#end({ kind: 'failed', detail: `${formatAddress(this.#request.to)}: ${errnoName(code)}` })
  }

  #end(end: ExchangeEnd): void {
    if (!this.#isOpen) return
    this.close()
    this.#deps.onEnd(end)
  }
}
