import { Arena } from './arena.ts'
import { check } from './errno.ts'
import { sys } from './syscalls.ts'
import { SOCKET_FLAGS } from './tcp-socket.ts'

const counter = new Arena(8)

/** A non-blocking eventfd: the way to wake a thread that sits in epoll. The number is valid in every thread. */
export function eventfd(): number {
  return check(sys.eventfd(0, SOCKET_FLAGS), 'eventfd')
}

/** Makes `fd` readable. A full counter is as good: the reader has not yet looked. */
export function wake(fd: number): void {
  counter.view.setBigUint64(0, 1n, true)
  sys.write(fd, counter.base, 8)
}

/** Empties `fd`; true when it had been woken. A level-triggered eventfd that is not emptied spins. */
export function takeWake(fd: number): boolean {
  return sys.read(fd, counter.base, 8) === 8
}
