import { LEVEL_READ, type EventLoop, type Source, type Timer } from '@ambient/event-loop'
import { closeDescriptor, Errno, errno, SHUT_WR, sys } from '@ambient/linux'
import type { HboneLimits } from './limits.ts'
import type { LoopBuffers } from './loop-buffers.ts'

export interface LingerDeps {
  readonly loop: EventLoop
  readonly limits: HboneLimits
  readonly buffers: LoopBuffers
}

/**
 * The end of a connection whose last words the peer should hear: a FIN, then what the peer still sends is read and
 * dropped until it hangs up, a limit is reached or the time is over. Closing at once with bytes unread would make the
 * kernel send a RST, and a peer that gets it may throw the GOAWAY away unread.
 */
export class Linger implements Source {
  readonly #fd: number
  readonly #deps: LingerDeps
  #timer: Timer | undefined
  #left: number

  /** Takes ownership of `fd`, which no loop knows any more. */
  constructor(fd: number, deps: LingerDeps) {
    this.#fd = fd
    this.#deps = deps
    this.#left = deps.limits.lingerBytes
  }

  start(): void {
    const { loop, limits } = this.#deps
    this.#timer = loop.after(limits.lingerMs, () => this.#close(), this)
    sys.shutdown(this.#fd, SHUT_WR)
    loop.add(this.#fd, LEVEL_READ, this)
  }

  onEvents(): void {
    const { receive } = this.#deps.buffers
    const got = sys.read(this.#fd, receive.base, receive.bytes.length)
    if (got < 0 && errno() === Errno.EAGAIN) return
    this.#left -= got
    if (got <= 0 || this.#left <= 0) this.#close()
  }

  onFault(): void {
    this.#close()
  }

  #close(): void {
    this.#timer?.cancel()
    this.#deps.loop.remove(this.#fd)
    closeDescriptor(this.#fd)
  }
}
