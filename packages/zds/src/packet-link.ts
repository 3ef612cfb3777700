import { DATA_EVENTS, EPOLLERR, EPOLLHUP, EPOLLRDHUP, type EventLoop, type Source } from '@ambient/event-loop'
import { Arena, closeDescriptor, errnoName, receivePacket, sendPacket } from '@ambient/linux'

export interface PacketLinkDeps {
  readonly loop: EventLoop
  /** Longer packets end the link. */
  readonly maxBytes: number
  /** Owns the descriptors, also when it throws. */
  readonly onPacket: (bytes: Uint8Array, fds: readonly number[]) => void
  /** Once, for whatever end but a `close`. */
  readonly onLost: (reason: string) => void
}

const HANG_UP = EPOLLERR | EPOLLHUP | EPOLLRDHUP

/** One end of a connection of packets with descriptors. Owns `fd`. */
export class PacketLink implements Source {
  readonly #fd: number
  readonly #deps: PacketLinkDeps
  readonly #buffer: Arena
  #isOpen = true

  constructor(fd: number, deps: PacketLinkDeps) {
    this.#fd = fd
    this.#deps = deps
    this.#buffer = new Arena(deps.maxBytes)
    deps.loop.add(fd, DATA_EVENTS, this)
  }

  /** The caller still owns `fds`. What cannot be sent at once ends the link. @returns Whether it was sent. */
  send(bytes: Uint8Array, fds: readonly number[] = []): boolean {
    if (!this.#isOpen) return false
    const sent = sendPacket(this.#fd, bytes, fds)
    if (sent.kind === 'sent') return true
    this.#lose(sent.kind === 'wait' ? 'the other end does not read' : `send: ${errnoName(sent.errno)}`)
    return false
  }

  onEvents(events: number): void {
    while (this.#isOpen) {
      const received = receivePacket(this.#fd, this.#buffer)
      if (received.kind === 'wait') break
      if (received.kind === 'eof') return this.#lose('the other end closed the connection')
      if (received.kind === 'failed') return this.#lose(`receive: ${errnoName(received.errno)}`)
      if (received.truncated) {
        for (const fd of received.fds) closeDescriptor(fd)
        return this.#lose('a packet was too long')
      }
      this.#deps.onPacket(received.bytes, received.fds)
    }
    if ((events & HANG_UP) !== 0) this.#lose('the other end closed the connection')
  }

  onFault(cause: unknown): void {
    this.#lose(`fault: ${String(cause)}`)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#deps.loop.remove(this.#fd)
    closeDescriptor(this.#fd)
    this.#buffer.free()
  }

  #lose(reason: string): void {
    if (!this.#isOpen) return
    this.close()
    this.#deps.onLost(reason)
  }
}
