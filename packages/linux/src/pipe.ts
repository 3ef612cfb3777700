import { Arena } from './arena.ts'
import { check } from './errno.ts'
import { sys } from './syscalls.ts'
import { SOCKET_FLAGS } from './tcp-socket.ts'

export interface Pipe {
  readonly readEnd: number
  readonly writeEnd: number
}

const F_SETPIPE_SZ = 1031
const ends = new Arena(8)

/** A non-blocking pipe for splice; the caller owns both ends. When `bytes` is refused it holds 64 KiB, which still works. */
export function makePipe(bytes: number): Pipe {
  check(sys.pipe2(ends.base, SOCKET_FLAGS), 'pipe2')
  const pipe = { readEnd: ends.view.getInt32(0, true), writeEnd: ends.view.getInt32(4, true) }
  sys.fcntl(pipe.writeEnd, F_SETPIPE_SZ, bytes)
  return pipe
}
