import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, type Source } from '@ambient/event-loop'
import { takeSocketError } from '@ambient/linux'

export interface RelaySideOwner {
  sideConnected(): void
  sideUnreachable(errno: number): void
  sideBroken(side: RelaySide, errno: number): void
  sideMoved(): void
  onFault(cause: unknown): void
}

/** One socket of a relay: what epoll said about it is remembered here. */
export class RelaySide implements Source {
  readonly fd: number
  readonly #owner: RelaySideOwner
  #isConnected: boolean
  #isReadable = false
  #sawHangup = false

  constructor(fd: number, owner: RelaySideOwner, state: 'connecting' | 'connected') {
    this.fd = fd
    this.#owner = owner
    this.#isConnected = state === 'connected'
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  get isReadable(): boolean {
    return this.#isReadable
  }

  /** After a hang-up a short read proves nothing: go on until EOF or EAGAIN. */
  get sawHangup(): boolean {
    return this.#sawHangup
  }

  waitForEdge(): void {
    this.#isReadable = false
  }

  onEvents(events: number): void {
    if (!this.#isConnected) {
      if (events & (EPOLLERR | EPOLLHUP)) return this.#owner.sideUnreachable(takeSocketError(this.fd))
      if ((events & EPOLLOUT) === 0) return
      this.#isConnected = true
      this.#owner.sideConnected()
    }
    if (events & EPOLLERR) return this.#owner.sideBroken(this, takeSocketError(this.fd))
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) this.#isReadable = true
    if (events & (EPOLLRDHUP | EPOLLHUP)) this.#sawHangup = true
    this.#owner.sideMoved()
  }

  onFault(cause: unknown): void {
    this.#owner.onFault(cause)
  }
}
