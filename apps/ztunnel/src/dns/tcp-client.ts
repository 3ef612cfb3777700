import type { Timer } from '@ambient/event-loop'
import { DnsStream, type DnsStreamOwner } from './dns-stream.ts'
import type { DnsRequest } from './dns-request.ts'
import type { DnsThread } from './dns-thread.ts'

export interface TcpClientDeps {
  readonly thread: DnsThread
  readonly onRequest: (request: DnsRequest) => void
  readonly onClosed: () => void
}

/** A pod's TCP connection to the DNS proxy; its queries are answered in whatever order the answers come (RFC 7766). */
export class TcpClient implements DnsStreamOwner {
  readonly #deps: TcpClientDeps
  readonly #stream: DnsStream
  /** Queries without an answer yet. */
  #outstanding = 0
  #progressAtMs: number
  #timer: Timer
  /** Nothing more is to be read: the client has finished, or we are about to. */
  #isFinishing = false
  #isOpen = true

  constructor(fd: number, deps: TcpClientDeps) {
    this.#deps = deps
    this.#progressAtMs = deps.thread.loop.nowMs
    this.#stream = new DnsStream(fd, deps.thread, this)
    this.#timer = this.#lookAfter(deps.thread.limits.dnsIdleMs)
  }

  wantsMessage(): boolean {
    const isBusy = this.#outstanding >= this.#deps.thread.limits.dnsPipelined || this.#stream.unsentBytes > 0
    return this.#isOpen && !isBusy
  }

  onMessage(bytes: Uint8Array): void {
    this.#outstanding++
    this.#progressAtMs = this.#deps.thread.loop.nowMs
    this.#deps.onRequest({ bytes, transport: 'tcp', answer: (message) => this.#answer(message) })
  }

  onSent(): void {
    this.#progressAtMs = this.#deps.thread.loop.nowMs
    this.#goOn()
  }

  onEnd(): void {
    this.drain()
  }

  onFailure(): void {
    this.#closed()
  }

  onFault(): void {
    this.#closed()
  }

  /** Closes once what was asked is answered. */
  drain(): void {
    this.#isFinishing = true
    this.#goOn()
  }

  close(): void {
    this.#stream.reset()
    this.#closed()
  }

  #answer(message: Uint8Array | undefined): void {
    if (!this.#isOpen) return
    const { limits, report } = this.#deps.thread
    this.#outstanding--
    // Who sends what is no message has lost its place in the stream.
    if (message === undefined) return this.close()
    this.#stream.send(message)
    if (this.#stream.unsentBytes > limits.dnsUnsentBytes) {
      report.limitHit('dnsUnsentBytes')
      return this.close()
    }
    this.#goOn()
  }

  #goOn(): void {
    if (!this.#isOpen || this.#stream.unsentBytes > 0) return
    if (this.#isFinishing && this.#outstanding === 0) {
      this.#stream.close()
      return this.#closed()
    }
    this.#stream.resume()
  }

  /** A forwarded query has its own deadline; idle is who asks nothing, or does not read. */
  #lookAfter(delayMs: number): Timer {
    const { loop, limits } = this.#deps.thread
    const look = (): void => {
      const leftMs = this.#progressAtMs + limits.dnsIdleMs - loop.nowMs
      const isWaiting = this.#outstanding > 0 && this.#stream.unsentBytes === 0
      if (leftMs <= 0 && !isWaiting) {
        this.#stream.close()
        return this.#closed()
      }
      this.#timer = this.#lookAfter(leftMs > 0 ? leftMs : limits.dnsIdleMs)
    }
    return loop.after(delayMs, look, { onFault: () => this.close() })
  }

  #closed(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#timer.cancel()
    this.#deps.onClosed()
  }
}
