/** AF_UNIX SOCK_STREAM: two joined ends in this process. */
import { Arena } from './arena.ts'
import { check } from './errno.ts'
import { AF_UNIX } from './socket-address.ts'
import { sys } from './syscalls.ts'
import { SOCKET_FLAGS } from './tcp-socket.ts'

const SOCK_STREAM = 1
const pair = new Arena(8)

/**
 * Two joined stream sockets, non-blocking and close-on-exec, both the caller's. They know half-close as TCP does, but no
 * reset: the other end sees the end of the stream.
 *
 * @throws {SyscallError} when there are no descriptors left.
 */
export function streamPair(): readonly [number, number] {
  check(sys.socketpair(AF_UNIX, SOCK_STREAM | SOCKET_FLAGS, 0, pair.base), 'socketpair')
  return [pair.view.getInt32(0, true), pair.view.getInt32(4, true)]
}
