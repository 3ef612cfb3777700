import { DATA_EVENTS, EPOLLERR, type EventLoop, type Source } from '@ambient/event-loop'
import { resetSocket, takeSocketError } from '@ambient/linux'

/** An accepted socket while a decision about it is waited for: nothing is read, yet its reset is noticed. */
export class HeldSocket implements Source {
  readonly #fd: number
  readonly #loop: EventLoop
  readonly #onGone: (errno: number) => void
  #isHeld = true

  /** @param onGone The peer has reset it, and it is closed. */
  constructor(fd: number, loop: EventLoop, onGone: (errno: number) => void) {
    this.#fd = fd
    this.#loop = loop
    this.#onGone = onGone
    loop.add(fd, DATA_EVENTS, this)
  }

  onEvents(events: number): void {
    if ((events & EPOLLERR) === 0) return
    const errno = takeSocketError(this.#fd)
    this.reset()
    this.#onGone(errno)
  }

  onFault(): void {
    this.reset()
  }

  /** The descriptor is the caller's again. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#loop.remove(this.#fd)
  }

  reset(): void {
    if (!this.#isHeld) return
    this.release()
    resetSocket(this.#fd)
  }
}
