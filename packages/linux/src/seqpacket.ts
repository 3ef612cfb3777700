/** AF_UNIX SOCK_SEQPACKET: listening, connecting, accepting. Packets themselves are in packet.ts. */
import { unlinkSync } from 'node:fs'
import { Arena, NULL } from './arena.ts'
import { check, errno, Errno, SyscallError } from './errno.ts'
import { AF_UNIX } from './socket-address.ts'
import { sys } from './syscalls.ts'
import { SOCKET_FLAGS } from './tcp-socket.ts'

export type SeqpacketResult =
  | { readonly kind: 'connected'; readonly fd: number }
  | { readonly kind: 'failed'; readonly errno: number }

export type SeqpacketAccept =
  | { readonly kind: 'accepted'; readonly fd: number }
  | { readonly kind: 'wait' }
  | { readonly kind: 'failed'; readonly errno: number }

const SOCK_SEQPACKET = 5
const MAX_PATH_BYTES = 107
const BACKLOG = 128

const address = new Arena(112)

/**
 * Listens at `path`, taking over a socket file that nobody answers at any more.
 *
 * @throws {SyscallError} `EADDRINUSE` when somebody does; other codes for the directory.
 */
export function seqpacketListen(path: string): number {
  let length = putPath(path)
  const fd = check(sys.socket(AF_UNIX, SOCK_SEQPACKET | SOCKET_FLAGS, 0), 'socket')
  let result = sys.bind(fd, address.base, length)
  if (result < 0 && errno() === Errno.EADDRINUSE && isStale(path)) {
    unlinkSync(path)
    length = putPath(path)
    result = sys.bind(fd, address.base, length)
  }
  if (result >= 0) result = sys.listen(fd, BACKLOG)
  if (result >= 0) return fd
  const failure = new SyscallError(`listen at ${path}`)
  sys.close(fd)
  throw failure
}

/** Connects at once or not at all; `ENOENT` and `ECONNREFUSED` mean that nobody listens, `EAGAIN` that the queue is full. */
export function seqpacketConnect(path: string): SeqpacketResult {
  const length = putPath(path)
  const fd = sys.socket(AF_UNIX, SOCK_SEQPACKET | SOCKET_FLAGS, 0)
  if (fd < 0) return { kind: 'failed', errno: errno() }
  if (sys.connect(fd, address.base, length) === 0) return { kind: 'connected', fd }
  const code = errno()
  sys.close(fd)
  return { kind: 'failed', errno: code }
}

/** Accepts one connection, non-blocking and close-on-exec. */
export function seqpacketAccept(fd: number): SeqpacketAccept {
  const accepted = sys.accept4(fd, NULL, NULL, SOCKET_FLAGS)
  if (accepted >= 0) return { kind: 'accepted', fd: accepted }
  const code = errno()
  return code === Errno.EAGAIN ? { kind: 'wait' } : { kind: 'failed', errno: code }
}

/** Two connected ends, both the caller's. */
export function seqpacketPair(): readonly [number, number] {
  check(sys.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCKET_FLAGS, 0, address.base), 'socketpair')
  return [address.view.getInt32(0, true), address.view.getInt32(4, true)]
}

function isStale(path: string): boolean {
  const probe = seqpacketConnect(path)
  if (probe.kind === 'connected') sys.close(probe.fd)
  return probe.kind === 'failed' && probe.errno === Errno.ECONNREFUSED
}

function putPath(path: string): number {
  const bytes = Buffer.from(path)
  if (bytes.length > MAX_PATH_BYTES)
    throw new RangeError(`Cannot use socket path of ${bytes.length} bytes: the limit is ${MAX_PATH_BYTES}`)
  address.bytes.fill(0)
  address.view.setUint16(0, AF_UNIX, true)
  address.bytes.set(bytes, 2)
  return 2 + bytes.length + 1
}
