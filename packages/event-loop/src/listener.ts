import { acceptOn, closeDescriptor, Errno, resetSocket, type SocketAddress } from '@ambient/linux'
import { LEVEL_READ } from './epoll.ts'
import type { EventLoop, Source } from './event-loop.ts'

export interface ListenerLimits {
  /** Connections taken before other sources get their turn. */
  readonly acceptsPerTurn: number
  /** How long to leave the queue alone when descriptors or memory have run out. */
  readonly acceptPauseMs: number
}

/** Owns `fd` unless it throws; then the listener resets the connection, so it must not have kept or closed it. */
export type OnAccept = (fd: number, peer: SocketAddress) => void

export type ListenerState = 'accepting' | 'paused' | 'parked' | 'closed'

/** The connection died while it was queued: take the next. */
const QUEUED_CONNECTION_ERRORS: ReadonlySet<number> = new Set([
  Errno.EINTR,
  Errno.ENONET,
  Errno.EPROTO,
  Errno.ENOPROTOOPT,
  Errno.EPROTONOSUPPORT,
  Errno.EOPNOTSUPP,
  Errno.ENETDOWN,
  Errno.ENETUNREACH,
  Errno.ECONNABORTED,
  Errno.EHOSTDOWN,
  Errno.EHOSTUNREACH,
])
/** Bounds the emptying of a queue that is filled meanwhile: twice the backlog. */
const MAX_DRAIN = 8192

/**
 * A level-triggered listening socket, owned. When accept fails for want of descriptors or memory the socket stays
 * readable, so a loop that merely returned would be woken again at once, at 100 % CPU: here the listener is taken
 * out of epoll and put back later.
 */
export class Listener implements Source {
  readonly fd: number
  /** How often it ran out of descriptors or memory. */
  pauses = 0
  readonly #loop: EventLoop
  readonly #limits: ListenerLimits
  readonly #onAccept: OnAccept
  #state: ListenerState = 'accepting'

  constructor(fd: number, loop: EventLoop, limits: ListenerLimits, onAccept: OnAccept) {
    this.fd = fd
    this.#loop = loop
    this.#limits = limits
    this.#onAccept = onAccept
    loop.add(fd, LEVEL_READ, this)
  }

  get state(): ListenerState {
    return this.#state
  }

  onEvents(): void {
    this.#acceptUpTo(this.#limits.acceptsPerTurn)
  }

  /** A bug in here must not make a pod deaf for ever. */
  onFault(): void {
    if (this.#state === 'accepting') this.#pause()
  }

  /** Closes at once; connections still queued are reset by the kernel. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#loop.remove(this.fd)
    closeDescriptor(this.fd)
  }

  /** Accepts no more and leaves the queue as it is, for whoever else has the socket, until `resume`. */
  park(): void {
    if (this.#state === 'closed' || this.#state === 'parked') return
    this.#state = 'parked'
    this.#loop.remove(this.fd)
  }

  /** Accepts again after `park`. */
  resume(): void {
    if (this.#state !== 'parked') return
    this.#state = 'accepting'
    this.#loop.add(this.fd, LEVEL_READ, this)
  }

  /**
   * Takes every queued connection, then closes: nobody who was already let in is reset. A parked one is closed only.
   * Returns how many it took.
   */
  closeAfterDrain(): number {
    if (this.#state === 'closed' || this.#state === 'parked') {
      this.close()
      return 0
    }
    this.#state = 'accepting'
    const taken = this.#acceptUpTo(MAX_DRAIN)
    this.close()
    return taken
  }

  #acceptUpTo(most: number): number {
    let taken = 0
    while (taken < most && this.#state === 'accepting') {
      const result = acceptOn(this.fd)
      if (result.kind === 'wait') return taken
      taken++
      if (result.kind === 'accepted') this.#deliver(result.fd, result.peer)
      else if (!QUEUED_CONNECTION_ERRORS.has(result.errno)) this.#pause()
    }
    return taken
  }

  #deliver(fd: number, peer: SocketAddress): void {
    const refused = {
      onFault: (): void => {
        this.#loop.remove(fd)
        resetSocket(fd)
      },
    }
    this.#loop.contain(refused, () => this.#onAccept(fd, peer))
  }

  #pause(): void {
    this.#state = 'paused'
    this.pauses++
    this.#loop.remove(this.fd)
    this.#loop.after(this.#limits.acceptPauseMs, () => {
      if (this.#state !== 'paused') return
      this.#state = 'accepting'
      this.#loop.add(this.fd, LEVEL_READ, this)
    })
  }
}
