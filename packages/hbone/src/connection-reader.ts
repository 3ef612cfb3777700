import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLRDHUP, type EventLoop, type Task } from '@ambient/event-loop'
import type { Transport } from '@ambient/tls'
import type { HboneLimits } from './limits.ts'
import type { LoopBuffers } from './loop-buffers.ts'

export interface ConnectionReaderDeps {
  readonly loop: EventLoop
  readonly limits: HboneLimits
  readonly buffers: LoopBuffers
}

export interface ConnectionReaderOwner {
  readonly isClosed: boolean
  /** The first `length` bytes of the receive arena; they are gone when it returns. */
  onBytes(length: number): void
  /** Nothing more comes. @param failure `undefined` for an orderly end. */
  onReadEnd(failure: string | undefined): void
  onFault(cause: unknown): void
}

/** Reads a connection as far as the edge promised, and no more than its share of a turn. */
export class ConnectionReader implements Task {
  readonly #transport: Transport
  readonly #deps: ConnectionReaderDeps
  readonly #owner: ConnectionReaderOwner
  #isReadable = false
  #sawHangup = false
  #isQueued = false

  constructor(transport: Transport, deps: ConnectionReaderDeps, owner: ConnectionReaderOwner) {
    this.#transport = transport
    this.#deps = deps
    this.#owner = owner
  }

  noteEvents(events: number): void {
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) this.#isReadable = true
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) this.#sawHangup = true
  }

  /** The read-ahead may already hold frames for which no edge will come. */
  readAfterHandshake(): void {
    this.#isReadable = true
    this.read()
  }

  read(): void {
    for (let fills = this.#deps.limits.fillsPerTurn; this.#isReadable && !this.#owner.isClosed; fills--) {
      if (fills === 0) return this.#yieldTurn()
      const result = this.#transport.read(this.#deps.buffers.receive)
      switch (result.kind) {
        case 'wait':
          this.#isReadable = false
          break
        case 'bytes':
          // A short read proves nothing once a hang-up was seen: the FIN may be queued, and its edge is spent.
          if (!result.more && !this.#sawHangup) this.#isReadable = false
          this.#owner.onBytes(result.length)
          break
        case 'eof':
          return this.#owner.onReadEnd(undefined)
        case 'failed':
          return this.#owner.onReadEnd(result.reason)
      }
    }
  }

  run(): void {
    this.#isQueued = false
    this.read()
  }

  onFault(cause: unknown): void {
    this.#owner.onFault(cause)
  }

  #yieldTurn(): void {
    if (this.#isQueued) return
    this.#isQueued = true
    this.#deps.loop.again(this)
  }
}
