import { LEVEL_READ, type EventLoop, type Source, type Timer } from '@ambient/event-loop'
import { closeDescriptor, seqpacketAccept } from '@ambient/linux'
import type { ZdsLimits } from './zds-limits.ts'

/**
 * Accepts connections at a bounded rate: a ztunnel that fails and comes back for ever must not fill the agent's time.
 * Level-triggered, so it leaves epoll whenever it does not want to accept. Owns `fd`.
 */
export class SeqpacketAcceptor implements Source {
  readonly #fd: number
  readonly #loop: EventLoop
  readonly #limits: ZdsLimits
  readonly #onAccept: (fd: number) => void
  #tokens: number
  #refilledAtMs: number
  #pause: Timer | undefined
  #isOpen = true

  constructor(fd: number, loop: EventLoop, limits: ZdsLimits, onAccept: (fd: number) => void) {
    this.#fd = fd
    this.#loop = loop
    this.#limits = limits
    this.#onAccept = onAccept
    this.#tokens = limits.acceptBurst
    this.#refilledAtMs = loop.nowMs
    loop.add(fd, LEVEL_READ, this)
  }

  onEvents(): void {
    this.#refill()
    while (this.#tokens >= 1) {
      const accepted = seqpacketAccept(this.#fd)
      if (accepted.kind === 'wait') return
      if (accepted.kind === 'failed') return this.#rest(this.#limits.acceptPauseMs)
      this.#tokens--
      this.#onAccept(accepted.fd)
    }
    this.#rest(this.#limits.acceptEveryMs)
  }

  onFault(): void {
    this.#rest(this.#limits.acceptPauseMs)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#pause?.cancel()
    this.#loop.remove(this.#fd)
    closeDescriptor(this.#fd)
  }

  #refill(): void {
    const earned = Math.floor((this.#loop.nowMs - this.#refilledAtMs) / this.#limits.acceptEveryMs)
    if (earned <= 0) return
    this.#tokens = Math.min(this.#limits.acceptBurst, this.#tokens + earned)
    this.#refilledAtMs += earned * this.#limits.acceptEveryMs
  }

  #rest(forMs: number): void {
    if (!this.#isOpen) return
    this.#loop.remove(this.#fd)
    this.#pause?.cancel()
    this.#pause = this.#loop.after(forMs, () => this.#loop.add(this.#fd, LEVEL_READ, this), this)
  }
}
