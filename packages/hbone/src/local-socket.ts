import {
  DATA_EVENTS,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  type EventLoop,
  type Source,
  type Timer,
} from '@ambient/event-loop'
import { closeDescriptor, Errno, resetSocket, SHUT_WR, sys, takeSocketError } from '@ambient/linux'
import type { LoopBuffers } from './loop-buffers.ts'

export interface LocalSocketOwner {
  socketConnected(): void
  socketUnreachable(errno: number): void
  /** Reset by the app, or an error of its own. */
  socketBroken(errno: number): void
  socketReadable(): void
  socketWritable(): void
  onFault(cause: unknown): void
}

const FIONREAD = 0x541b

/** The TCP socket at the local end of a tunnel: what epoll said about it is remembered here. */
export class LocalSocket implements Source {
  readonly #owner: LocalSocketOwner
  readonly #loop: EventLoop
  #fd = -1
  #state: 'none' | 'connecting' | 'connected' | 'closed' = 'none'
  #isReadable = false
  #sawHangup = false
  #connectTimer: Timer | undefined

  constructor(owner: LocalSocketOwner, loop: EventLoop) {
    this.#owner = owner
    this.#loop = loop
  }

  get fd(): number {
    return this.#fd
  }

  get isConnected(): boolean {
    return this.#state === 'connected'
  }

  /** The edge said readable, and no read has come up short since. */
  get isReadable(): boolean {
    return this.#isReadable
  }

  /** After a hang-up a short read proves nothing: go on until EOF or EAGAIN. */
  get sawHangup(): boolean {
    return this.#sawHangup
  }

  attachConnected(fd: number): void {
    this.#fd = fd
    this.#state = 'connected'
    this.#loop.add(fd, DATA_EVENTS, this)
  }

  attachConnecting(fd: number, connectMs: number): void {
    this.#fd = fd
    this.#state = 'connecting'
    this.#loop.add(fd, DATA_EVENTS, this)
    this.#connectTimer = this.#loop.after(
      connectMs,
      () => this.#owner.socketUnreachable(Errno.ETIMEDOUT),
      this,
    )
  }

  onEvents(events: number): void {
    if (this.#state === 'connecting') {
      if (events & (EPOLLERR | EPOLLHUP)) return this.#owner.socketUnreachable(takeSocketError(this.#fd))
      if ((events & EPOLLOUT) === 0) return
      this.#connectTimer?.cancel()
      this.#state = 'connected'
      this.#owner.socketConnected()
    }
    if (events & EPOLLERR && this.isConnected) return this.#owner.socketBroken(takeSocketError(this.#fd))
    if (events & EPOLLOUT && this.isConnected) this.#owner.socketWritable()
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP) && this.isConnected) {
      this.#isReadable = true
      if (events & (EPOLLRDHUP | EPOLLHUP)) this.#sawHangup = true
      this.#owner.socketReadable()
    }
  }

  onFault(cause: unknown): void {
    this.#owner.onFault(cause)
  }

  /** A read came up short: the next edge says when there is more. */
  waitForEdge(): void {
    this.#isReadable = false
  }

  /** Whether the app has finished and everything it sent was read. Costs a system call. */
  isAtEnd(buffers: LoopBuffers): boolean {
    if (!this.#sawHangup) return false
    return (
      sys.ioctl(this.#fd, FIONREAD, buffers.answer.base) === 0 && buffers.answer.view.getInt32(0, true) === 0
    )
  }

  /** Writes the collected segments of the receive arena with one call; negative on failure, with `errno()`. */
  writeSegments(buffers: LoopBuffers): number {
    const { receive, segments, vectors } = buffers
    if (segments.count === 1) return sys.write(this.#fd, receive.at(segments.startOf(0)), segments.totalBytes)
    for (let i = 0; i < segments.count; i++)
      vectors.set(i, receive.at(segments.startOf(i)), segments.lengthOf(i))
    return sys.writev(this.#fd, vectors.base, segments.count)
  }

  /** Tells the app that nothing more comes. */
  endWriting(): void {
    sys.shutdown(this.#fd, SHUT_WR)
  }

  /** Closes with a FIN. */
  close(): void {
    const fd = this.release()
    if (fd >= 0) closeDescriptor(fd)
  }

  /** Closes with a RST. */
  reset(): void {
    const fd = this.release()
    if (fd >= 0) resetSocket(fd)
  }

  /** Gives the descriptor up, open; -1 when there is none. */
  release(): number {
    const fd = this.#fd
    this.#connectTimer?.cancel()
    if (fd >= 0) this.#loop.remove(fd)
    this.#state = 'closed'
    this.#fd = -1
    this.#isReadable = false
    return fd
  }
}
