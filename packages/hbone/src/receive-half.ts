import { Errno, errno } from '@ambient/linux'
import type { LocalSocket } from './local-socket.ts'
import type { LoopBuffers } from './loop-buffers.ts'
import { OwedBytes } from './owed-bytes.ts'
import type { ReceiveCredit } from './receive-credit.ts'
import { StreamCredit } from './stream-credit.ts'

export interface ReceiveHalfDeps {
  readonly buffers: LoopBuffers
  /** The connection's. */
  readonly credit: ReceiveCredit
  readonly limits: { readonly streamWindow: number; readonly maxStreamWindow: number }
  sendWindowUpdate(streamId: number, increment: number): void
}

/** `ending`: END_STREAM was seen, bytes are still owed. `ended`: the app has got its FIN. */
export type ReceiveState = 'open' | 'ending' | 'ended'

/** Peer → app: delivers, keeps what the app does not take, and gives credit back as bytes arrive. */
export class ReceiveHalf {
  readonly #streamId: number
  readonly #deps: ReceiveHalfDeps
  readonly #socket: LocalSocket
  readonly #credit: StreamCredit
  readonly #owed = new OwedBytes()
  #state: ReceiveState = 'open'
  /** Bytes at the front of what is owed that no peer sent. */
  #preambleLeft = 0
  #deliveredBytes = 0

  constructor(streamId: number, socket: LocalSocket, deps: ReceiveHalfDeps) {
    this.#streamId = streamId
    this.#socket = socket
    this.#deps = deps
    this.#credit = new StreamCredit(deps.limits.streamWindow)
  }

  get state(): ReceiveState {
    return this.#state
  }

  get deliveredBytes(): number {
    return this.#deliveredBytes
  }

  get owedBytes(): number {
    return this.#owed.length
  }

  /** @returns False when the peer sent more than this stream was allowed. */
  take(bytes: number): boolean {
    return this.#credit.take(bytes)
  }

  /** Bytes of ours that the app gets before the peer's. */
  begin(preamble: Uint8Array): void {
    this.#owed.prepend(preamble)
    this.#preambleLeft = preamble.length
  }

  /** Padding was received and is dealt with. */
  skip(bytes: number): void {
    this.#restore(bytes)
  }

  /**
   * Delivers the collected segments.
   *
   * @returns 0, or the errno with which the app's socket failed.
   */
  deliver(): number {
    const { segments } = this.#deps.buffers
    let written = 0
    if (this.#owed.length === 0 && this.#socket.isConnected) {
      written = this.#socket.writeSegments(this.#deps.buffers)
      if (written < 0) {
        const code = errno()
        if (code !== Errno.EAGAIN) {
          this.#deps.credit.give(segments.totalBytes)
          return code
        }
        written = 0
      }
    }
    if (written < segments.totalBytes) this.#keep(written)
    if (written > 0) {
      this.#deps.credit.give(written)
      this.#delivered(written)
    }
    return 0
  }

  /** The peer has finished. */
  end(): void {
    if (this.#state === 'open') this.#state = 'ending'
  }

  /**
   * Writes what is owed, and the FIN after it when the peer has finished.
   *
   * @returns 0, or the errno with which the app's socket failed.
   */
  flush(): number {
    if (!this.#socket.isConnected) return 0
    while (this.#owed.length > 0) {
      const written = this.#owed.writeTo(this.#socket.fd)
      if (written < 0) {
        const code = errno()
        return code === Errno.EAGAIN ? 0 : code
      }
      this.#settle(written)
    }
    if (this.#state === 'ending') {
      this.#state = 'ended'
      this.#socket.endWriting()
    }
    return 0
  }

  /** Drops what is owed; the connection gets its credit back all the same, or every reset would shrink it. */
  drop(): void {
    const dropped = this.#owed.clear() - this.#preambleLeft
    this.#preambleLeft = 0
    if (dropped > 0) this.#deps.credit.release(dropped)
  }

  #keep(written: number): void {
    const { segments, receive } = this.#deps.buffers
    let skip = written
    for (let i = 0; i < segments.count; i++) {
      const length = segments.lengthOf(i)
      const start = segments.startOf(i)
      if (skip < length) this.#owed.append(receive.bytes, start + skip, start + length)
      skip = Math.max(0, skip - length)
    }
    this.#deps.credit.keep(segments.totalBytes - written)
  }

  #settle(written: number): void {
    const ours = Math.min(written, this.#preambleLeft)
    this.#preambleLeft -= ours
    if (written === ours) return
    this.#deps.credit.release(written - ours)
    this.#delivered(written - ours)
  }

  #delivered(bytes: number): void {
    this.#deliveredBytes += bytes
    this.#restore(bytes)
  }

  #restore(bytes: number): void {
    if (this.#state !== 'open') return
    const increment = this.#credit.consume(
      bytes,
      this.#owed.length === 0 ? this.#deps.limits.maxStreamWindow : 0,
    )
    if (increment > 0) this.#deps.sendWindowUpdate(this.#streamId, increment)
  }
}
