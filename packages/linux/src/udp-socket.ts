/** UDP sockets, non-blocking and close-on-exec, born in the calling thread's current network namespace. */
import { Arena } from './arena.ts'
import { errno, Errno } from './errno.ts'
import { familyOf } from './ip-text.ts'
import { getAddress, putAddress, SOCKADDR_BYTES, type SocketAddress } from './socket-address.ts'
import { MSG_NOSIGNAL, sys } from './syscalls.ts'
import { bindTo, internetSocket, setReusePort, type SocketOptions } from './tcp-socket.ts'

export type ReceiveDatagramResult =
  /** The bytes are at the front of the arena. An empty datagram is one. */
  | { readonly kind: 'received'; readonly length: number; readonly peer: SocketAddress }
  | { readonly kind: 'wait' }
  /** On a connected socket also what the network said of an earlier datagram, such as `ECONNREFUSED`. */
  | { readonly kind: 'failed'; readonly errno: number }

export type SendDatagramResult =
  | { readonly kind: 'sent' }
  /** There is no room now: datagrams may be dropped. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'failed'; readonly errno: number }

/** Room for any datagram. */
export const MAX_DATAGRAM_BYTES = 65_535

const SOCK_DGRAM = 2

const address = new Arena(SOCKADDR_BYTES + 4)
const LENGTH_AT = SOCKADDR_BYTES
const WAIT: { readonly kind: 'wait' } = { kind: 'wait' }
const SENT: SendDatagramResult = { kind: 'sent' }

/** @throws {SyscallError} when there is no descriptor left or the mark is not permitted. */
export function udpSocket(options: SocketOptions = {}): number {
  return internetSocket(SOCK_DGRAM, options)
}

/**
 * A socket that takes what is sent to `at`.
 *
 * @throws {SyscallError} with `EADDRINUSE`, `EADDRNOTAVAIL` and so on; nothing is left open.
 */
export function udpListen(
  at: SocketAddress,
  options: { readonly mark?: number | undefined; readonly reusePort?: boolean } = {},
): number {
  const fd = udpSocket({
    family: familyOf(at.ip),
    ...(options.mark === undefined ? {} : { mark: options.mark }),
  })
  if (options.reusePort === true) setReusePort(fd)
  bindTo(fd, at)
  return fd
}

/** Takes one datagram into the front of `into`; what does not fit there is lost, so let it have `MAX_DATAGRAM_BYTES`. */
export function receiveDatagram(fd: number, into: Arena): ReceiveDatagramResult {
  address.view.setUint32(LENGTH_AT, SOCKADDR_BYTES, true)
  const length = sys.recvfrom(fd, into.base, into.bytes.length, 0, address.base, address.at(LENGTH_AT))
  if (length >= 0) return { kind: 'received', length, peer: getAddress(address, 0) }
  return unfinished()
}

/** Sends the first `length` bytes of `from`, as one datagram, from the address that `fd` is bound to. */
export function sendDatagram(fd: number, from: Arena, length: number, to: SocketAddress): SendDatagramResult {
  const addressLength = putAddress(address, 0, to)
  if (sys.sendto(fd, from.base, length, MSG_NOSIGNAL, address.base, addressLength) >= 0) return SENT
  return unfinished()
}

function unfinished(): { readonly kind: 'wait' } | { readonly kind: 'failed'; readonly errno: number } {
  const code = errno()
  return code === Errno.EAGAIN ? WAIT : { kind: 'failed', errno: code }
}
