import { Arena, check, sys } from '@ambient/linux'

const AF_UNIX = 1
const STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000
const pair = new Arena(8)

/** Two joined stream sockets, non-blocking; the caller owns both. */
export function socketPair(): [number, number] {
  check(sys.socketpair(AF_UNIX, STREAM_NONBLOCK_CLOEXEC, 0, pair.base), 'socketpair')
  return [pair.view.getInt32(0, true), pair.view.getInt32(4, true)]
}
