import { Arena, check, Errno, errno, NULL, sys } from '@ambient/linux'

export const EPOLLIN = 1
export const EPOLLOUT = 4
export const EPOLLERR = 8
export const EPOLLHUP = 16
export const EPOLLRDHUP = 0x2000
const EPOLLET = 0x80000000

/** What a data socket is registered with, once, never modified: the edge says it, the owner remembers it. */
export const DATA_EVENTS: number = (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) >>> 0
/** Level-triggered reading: only for what is always consumed (listeners, eventfds). */
export const LEVEL_READ: number = EPOLLIN

const EPOLL_CLOEXEC = 0o2000000
const CTL_ADD = 1
const CTL_DEL = 2
const CTL_MOD = 3
const MAX_EVENTS = 512
// struct epoll_event is packed on x86-64 only.
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16
const DATA_AT = process.arch === 'x64' ? 4 : 8

/** One epoll descriptor; each event carries the number and the generation it was registered with. */
export class Epoll {
  readonly #fd: number = check(sys.epoll_create1(EPOLL_CLOEXEC), 'epoll_create1')
  #isClosed = false
  readonly #events = new Arena(EVENT_BYTES * MAX_EVENTS)
  readonly #control = new Arena(16)

  add(fd: number, events: number, generation: number): void {
    const { view, base } = this.#control
    view.setUint32(0, events >>> 0, true)
    view.setUint32(DATA_AT, fd, true)
    view.setUint32(DATA_AT + 4, generation, true)
    if (sys.epoll_ctl(this.#fd, CTL_ADD, fd, base) >= 0) return
    // The number was reused while a duplicate of the old description is still registered under it.
    if (errno() !== Errno.EEXIST) check(-1, `epoll_ctl add ${fd}`)
    check(sys.epoll_ctl(this.#fd, CTL_MOD, fd, base), `epoll_ctl mod ${fd}`)
  }

  delete(fd: number): void {
    sys.epoll_ctl(this.#fd, CTL_DEL, fd, NULL)
  }

  /** How many events are ready; 0 also when a signal came. */
  wait(timeoutMs: number): number {
    const count = sys.epoll_wait(this.#fd, this.#events.base, MAX_EVENTS, timeoutMs)
    if (count >= 0) return count
    if (errno() !== Errno.EINTR) check(count, 'epoll_wait')
    return 0
  }

  eventsOf(index: number): number {
    return this.#events.view.getUint32(index * EVENT_BYTES, true)
  }

  descriptorOf(index: number): number {
    return this.#events.view.getUint32(index * EVENT_BYTES + DATA_AT, true)
  }

  generationOf(index: number): number {
    return this.#events.view.getUint32(index * EVENT_BYTES + DATA_AT + 4, true)
  }

  /** Once only: its number may be somebody else's by now. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    sys.close(this.#fd)
    this.#events.free()
    this.#control.free()
  }
}
