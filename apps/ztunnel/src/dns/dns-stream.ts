import { decodeStreamFrame, encodeStreamFrame } from '@ambient/dns'
import { DATA_EVENTS, EPOLLERR, EPOLLOUT, type EventLoop, type Source, type Task } from '@ambient/event-loop'
import { type Arena, closeDescriptor, Errno, errno, resetSocket, sys, takeSocketError } from '@ambient/linux'

export interface DnsStreamOwner {
  /** Whether the next message may come now; after a no, `resume`. */
  wantsMessage(): boolean
  /** A copy. */
  onMessage(message: Uint8Array): void
  /** All that was to be sent has been. */
  onSent(): void
  /** The peer sends no more. */
  onEnd(): void
  /** It is broken, and closed. */
  onFailure(errno: number): void
  onFault(cause: unknown): void
}

const MESSAGES_PER_TURN = 16
const NOTHING = new Uint8Array(0)

/** Messages over one TCP connection, connected or connecting. Owns its descriptor. */
export class DnsStream implements Source, Task {
  readonly #fd: number
  readonly #loop: EventLoop
  readonly #arena: Arena
  readonly #owner: DnsStreamOwner
  /** What has come and is not given out yet lies from `from` to `to`. */
  #received: Uint8Array = NOTHING
  #from = 0
  #to = 0
  #unsent: Uint8Array[] = []
  #isReadable = false
  #isQueued = false
  #isOpen = true

  constructor(fd: number, deps: { readonly loop: EventLoop; readonly arena: Arena }, owner: DnsStreamOwner) {
    this.#fd = fd
    this.#loop = deps.loop
    this.#arena = deps.arena
    this.#owner = owner
    deps.loop.add(fd, DATA_EVENTS, this)
  }

  get unsentBytes(): number {
    return this.#unsent.reduce((sum, part) => sum + part.length, 0)
  }

  onEvents(events: number): void {
    if (events & EPOLLERR) return this.#fail(takeSocketError(this.#fd))
    if (events & EPOLLOUT) this.#flush()
    if ((events & ~EPOLLOUT) === 0) return
    this.#isReadable = true
    this.run()
  }

  /** Gives out what has come, as long as it is wanted. */
  run(): void {
    this.#isQueued = false
    for (let given = 0; this.#isOpen && this.#owner.wantsMessage();) {
      const frame = decodeStreamFrame(this.#received.subarray(this.#from, this.#to))
      if (frame.kind === 'need') {
        if (this.#from === this.#to) this.#forget()
        if (!this.#isReadable || !this.#read()) return
      } else if (given++ === MESSAGES_PER_TURN) return this.resume()
      else {
        this.#from += frame.consumed
        this.#owner.onMessage(frame.value.slice())
      }
    }
  }

  /** Messages are wanted again: goes on in the next turn. */
  resume(): void {
    if (this.#isQueued || !this.#isOpen) return
    this.#isQueued = true
    this.#loop.again(this)
  }

  onFault(cause: unknown): void {
    this.reset()
    this.#owner.onFault(cause)
  }

  send(message: Uint8Array): void {
    if (!this.#isOpen) return
    this.#unsent.push(encodeStreamFrame(message))
    if (this.#unsent.length === 1) this.#flush()
  }

  /** Closes with a FIN. */
  close(): void {
    if (this.#release()) closeDescriptor(this.#fd)
  }

  /** Closes with a RST. */
  reset(): void {
    if (this.#release()) resetSocket(this.#fd)
  }

  /** @returns Whether there is something new to look at. */
  #read(): boolean {
    const count = sys.read(this.#fd, this.#arena.base, this.#arena.bytes.length)
    if (count > 0) {
      this.#append(this.#arena.bytes.subarray(0, count))
      return true
    }
    this.#isReadable = false
    const code = count < 0 ? errno() : 0
    if (count === 0) this.#owner.onEnd()
    else if (code !== Errno.EAGAIN) this.#fail(code)
    return false
  }

  #append(bytes: Uint8Array): void {
    const kept = this.#received.subarray(this.#from, this.#to)
    if (this.#to + bytes.length > this.#received.length) {
      // At least twice what is kept: a message that comes a byte at a time is not copied for each.
      this.#received = new Uint8Array(Math.max(kept.length * 2, kept.length + bytes.length))
      this.#received.set(kept)
      this.#from = 0
      this.#to = kept.length
    }
    this.#received.set(bytes, this.#to)
    this.#to += bytes.length
  }

  /** An idle connection holds no memory. */
  #forget(): void {
    this.#received = NOTHING
    this.#from = this.#to = 0
  }

  #flush(): void {
    while (this.#isOpen) {
      const [part, ...rest] = this.#unsent
      if (part === undefined) return
      this.#arena.bytes.set(part)
      const count = sys.write(this.#fd, this.#arena.base, part.length)
      if (count < 0) {
        const code = errno()
        // Full, or not connected yet: the next edge says when to go on.
        if (code !== Errno.EAGAIN) this.#fail(code)
        return
      }
      this.#unsent = count === part.length ? rest : [part.subarray(count), ...rest]
      if (this.#unsent.length === 0) this.#owner.onSent()
    }
  }

  #fail(code: number): void {
    if (!this.#isOpen) return
    this.reset()
    this.#owner.onFailure(code)
  }

  #release(): boolean {
    if (!this.#isOpen) return false
    this.#isOpen = false
    this.#unsent = []
    this.#forget()
    this.#loop.remove(this.#fd)
    return true
  }
}
