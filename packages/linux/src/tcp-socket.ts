/** TCP sockets, non-blocking and close-on-exec, born in the calling thread's current network namespace. */
import { Arena } from './arena.ts'
import { check, errno, Errno, SyscallError } from './errno.ts'
import { familyOf } from './ip-text.ts'
import {
  AF_INET,
  AF_INET6,
  getAddress,
  putAddress,
  SOCKADDR_BYTES,
  type SocketAddress,
} from './socket-address.ts'
import { IPPROTO_IP, IPPROTO_IPV6, setLingerZero, setOption, SOL_SOCKET } from './socket-option.ts'
import { sys } from './syscalls.ts'

/** The packet mark by which the pod's rules know the mesh's own sockets. */
export const MESH_MARK = 1337

export interface SocketOptions {
  readonly family?: 'v4' | 'v6'
  /** SO_MARK; needs NET_ADMIN. */
  readonly mark?: number | undefined
}

export interface ListenOptions {
  readonly mark?: number | undefined
  readonly reusePort?: boolean
  /** Accepts connections to addresses that are not ours; needs NET_ADMIN. */
  readonly transparent?: boolean
  readonly backlog?: number
}

export type AcceptResult =
  | { readonly kind: 'accepted'; readonly fd: number; readonly peer: SocketAddress }
  | { readonly kind: 'wait' }
  | { readonly kind: 'failed'; readonly errno: number }

export type ConnectResult = { readonly kind: 'started' } | { readonly kind: 'failed'; readonly errno: number }

/** SOCK_CLOEXEC | SOCK_NONBLOCK. */
export const SOCKET_FLAGS: number = 0o2000000 | 0o4000

const SOCK_STREAM = 1
const SO_REUSEADDR = 2
const SO_REUSEPORT = 15
const SO_MARK = 36
const IP_TRANSPARENT = 19
const IPV6_V6ONLY = 26
const IPV6_TRANSPARENT = 75
/** The original's 128 is too small for a burst of a thousand connections. */
const DEFAULT_BACKLOG = 4096

const address = new Arena(SOCKADDR_BYTES + 4)
const LENGTH_AT = SOCKADDR_BYTES
const WAIT: AcceptResult = { kind: 'wait' }
const STARTED: ConnectResult = { kind: 'started' }

/** @throws {SyscallError} when there is no descriptor left or the mark is not permitted. */
export function tcpSocket(options: SocketOptions = {}): number {
  return internetSocket(SOCK_STREAM, options)
}

/** @throws {SyscallError} as `tcpSocket` */
export function internetSocket(type: number, options: SocketOptions): number {
  const fd = check(sys.socket(options.family === 'v6' ? AF_INET6 : AF_INET, type | SOCKET_FLAGS, 0), 'socket')
  // The mark comes before bind: the routes chosen by it decide which addresses are ours.
  if (options.mark !== undefined)
    orClose(fd, setOption(fd, SOL_SOCKET, SO_MARK, options.mark), 'setsockopt SO_MARK')
  return fd
}

/**
 * A listening socket. `::` takes IPv4 as well; its IPv4 peers are reported as IPv4 text.
 *
 * @throws {SyscallError} with `EADDRINUSE`, `EPERM` and so on; nothing is left open.
 */
export function listenOn(at: SocketAddress, options: ListenOptions = {}): number {
  const family = familyOf(at.ip)
  const fd = tcpSocket({ family, ...(options.mark === undefined ? {} : { mark: options.mark }) })
  orClose(fd, setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1), 'setsockopt SO_REUSEADDR')
  if (options.reusePort === true) setReusePort(fd)
  if (family === 'v6') orClose(fd, setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0), 'setsockopt IPV6_V6ONLY')
  if (options.transparent === true) orClose(fd, setTransparent(fd, family), 'setsockopt IP_TRANSPARENT')
  bindTo(fd, at)
  orClose(fd, sys.listen(fd, options.backlog ?? DEFAULT_BACKLOG), `listen ${formatAddress(at)}`)
  return fd
}

/** Lets a socket carry addresses that are not ours; negative on failure, with `errno()`. */
export function setTransparent(fd: number, family: 'v4' | 'v6'): number {
  return family === 'v6'
    ? setOption(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
    : setOption(fd, IPPROTO_IP, IP_TRANSPARENT, 1)
}

/** Starts a connect of a stream or datagram socket; the outcome arrives as an epoll event. A refusal known at once is reported here. */
export function startConnect(fd: number, to: SocketAddress): ConnectResult {
  const length = putAddress(address, 0, to)
  if (sys.connect(fd, address.base, length) === 0) return STARTED
  const code = errno()
  return code === Errno.EINPROGRESS ? STARTED : { kind: 'failed', errno: code }
}

/** Accepts one connection; `wait` when none is queued. */
export function acceptOn(fd: number): AcceptResult {
  address.view.setUint32(LENGTH_AT, SOCKADDR_BYTES, true)
  const accepted = sys.accept4(fd, address.base, address.at(LENGTH_AT), SOCKET_FLAGS)
  if (accepted >= 0) return { kind: 'accepted', fd: accepted, peer: getAddress(address, 0) }
  const code = errno()
  return code === Errno.EAGAIN ? WAIT : { kind: 'failed', errno: code }
}

/** @throws {SyscallError} when `fd` is not a socket. */
export function localAddress(fd: number): SocketAddress {
  address.view.setUint32(LENGTH_AT, SOCKADDR_BYTES, true)
  check(sys.getsockname(fd, address.base, address.at(LENGTH_AT)), 'getsockname')
  return getAddress(address, 0)
}

/** @throws {SyscallError} `ENOTCONN` when there is no peer any more. */
export function peerAddress(fd: number): SocketAddress {
  address.view.setUint32(LENGTH_AT, SOCKADDR_BYTES, true)
  check(sys.getpeername(fd, address.base, address.at(LENGTH_AT)), 'getpeername')
  return getAddress(address, 0)
}

/** Closes with a RST instead of a FIN, so that the other end learns that the stream was cut. */
export function resetSocket(fd: number): void {
  setLingerZero(fd)
  sys.close(fd)
}

/** `10.0.0.1:80`, `[::1]:80`. */
export function formatAddress(at: SocketAddress): string {
  return at.ip.includes(':') ? `[${at.ip}]:${at.port}` : `${at.ip}:${at.port}`
}

/** Lets several sockets of one user have the address; the kernel shares out what arrives. @throws {SyscallError}, `fd` closed */
export function setReusePort(fd: number): void {
  orClose(fd, setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1), 'setsockopt SO_REUSEPORT')
}

/** @throws {SyscallError}, `fd` closed */
export function bindTo(fd: number, at: SocketAddress): void {
  const length = putAddress(address, 0, at)
  orClose(fd, sys.bind(fd, address.base, length), `bind ${formatAddress(at)}`)
}

function orClose(fd: number, result: number, call: string): void {
  if (result >= 0) return
  const failure = new SyscallError(call)
  sys.close(fd)
  throw failure
}
