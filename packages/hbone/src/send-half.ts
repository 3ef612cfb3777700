import { MAX_WINDOW } from './h2-constants.ts'

/**
 * `waiting`: no 200 yet. `ended`: END_STREAM is in the transport. `discarding`: the stream is over, and what the app
 * still sends is read and dropped, so that its kernel does not answer with a RST to what it was sent last.
 */
export type SendState = 'waiting' | 'open' | 'ended' | 'discarding'

/** App → peer: how far it has come, and what the peer still allows. */
export class SendHalf {
  #state: SendState = 'waiting'
  #window: number
  #sentBytes = 0

  constructor(window: number) {
    this.#window = window
  }

  get state(): SendState {
    return this.#state
  }

  get window(): number {
    return this.#window
  }

  get sentBytes(): number {
    return this.#sentBytes
  }

  open(): void {
    if (this.#state === 'waiting') this.#state = 'open'
  }

  end(): void {
    this.#state = 'ended'
  }

  discard(): void {
    if (this.#state !== 'ended') this.#state = 'discarding'
  }

  spend(bytes: number): void {
    this.#window -= bytes
    this.#sentBytes += bytes
  }

  /** @returns False when the window is larger than the protocol allows. */
  grow(increment: number): boolean {
    this.#window += increment
    return this.#window <= MAX_WINDOW
  }
}
