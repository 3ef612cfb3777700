import { Arena } from './arena.ts'
import { check, Errno } from './errno.ts'
import { addressBytes } from './ip-text.ts'
import { NETLINK_HEADER_BYTES, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, withNetlink } from './netlink.ts'
import { AF_INET, AF_INET6, type SocketAddress } from './socket-address.ts'
import { IPPROTO_TCP } from './socket-option.ts'
import { sys } from './syscalls.ts'

export type DestroyTcpResult =
  | { readonly kind: 'destroyed' }
  | { readonly kind: 'failed'; readonly errno: number }

const NETLINK_SOCK_DIAG = 4
const SOCK_DIAG_BY_FAMILY = 20
const SOCK_DESTROY = 21
const TCP_LISTEN = 10
/** `struct inet_diag_req_v2`, behind the header. */
const REQUEST_BYTES = NETLINK_HEADER_BYTES + 56
const COOKIE_AT = NETLINK_HEADER_BYTES + 48
/** In `struct inet_diag_msg`, behind the header of an answer. */
const FOUND_STATE_AT = NETLINK_HEADER_BYTES + 1
const FOUND_COOKIE_AT = NETLINK_HEADER_BYTES + 44
const NO_COOKIE = 0xffff_ffff_ffff_ffffn
const ANY_STATE = 0xffff_ffff

const request = new Arena(REQUEST_BYTES)
const answer = new Arena(8192)

/**
 * Ends a connection of the calling thread's network namespace as if its owner had aborted it: the peer gets a reset, the owner
 * `ECONNABORTED`. Needs NET_ADMIN. The kernel takes a listener for a connection that is not there: so it is asked first which
 * socket that is, and then to end that one and no other.
 *
 * @returns `failed` with `ENOENT` when there is none, `EOPNOTSUPP` when the kernel cannot.
 * @throws {SyscallError} when the kernel cannot be asked at all.
 */
export function destroyTcp(local: SocketAddress, remote: SocketAddress): DestroyTcpResult {
  return withNetlink(NETLINK_SOCK_DIAG, (fd) => {
    putRequest(local, remote)
    const notFound = ask(fd, { type: SOCK_DIAG_BY_FAMILY, flags: NLM_F_REQUEST, cookie: NO_COOKIE })
    if (notFound !== 0) return { kind: 'failed', errno: notFound }
    if (answer.view.getUint8(FOUND_STATE_AT) === TCP_LISTEN) return { kind: 'failed', errno: Errno.ENOENT }
    const cookie = answer.view.getBigUint64(FOUND_COOKIE_AT, true)
    const refused = ask(fd, { type: SOCK_DESTROY, flags: NLM_F_REQUEST | NLM_F_ACK, cookie })
    return refused === 0 ? { kind: 'destroyed' } : { kind: 'failed', errno: refused }
  })
}

/** Sends the request and takes the answer, which is there before `send` returns. @returns its errno, 0 for none */
function ask(
  fd: number,
  { type, flags, cookie }: { readonly type: number; readonly flags: number; readonly cookie: bigint },
): number {
  request.view.setUint16(4, type, true)
  request.view.setUint16(6, flags, true)
  request.view.setBigUint64(COOKIE_AT, cookie, true)
  check(sys.send(fd, request.base, REQUEST_BYTES, 0), 'send to sock_diag')
  check(sys.read(fd, answer.base, answer.bytes.length), 'read from sock_diag')
  return answer.view.getUint16(4, true) === NLMSG_ERROR
    ? -answer.view.getInt32(NETLINK_HEADER_BYTES, true)
    : 0
}

function putRequest(local: SocketAddress, remote: SocketAddress): void {
  const [from, to] = [addressBytes(local.ip), addressBytes(remote.ip)]
  const { bytes, view } = request
  bytes.fill(0)
  view.setUint32(0, REQUEST_BYTES, true)
  view.setUint8(NETLINK_HEADER_BYTES, from.length === 4 ? AF_INET : AF_INET6)
  view.setUint8(NETLINK_HEADER_BYTES + 1, IPPROTO_TCP)
  view.setUint32(NETLINK_HEADER_BYTES + 4, ANY_STATE, true)
  view.setUint16(NETLINK_HEADER_BYTES + 8, local.port)
  view.setUint16(NETLINK_HEADER_BYTES + 10, remote.port)
  bytes.set(from, NETLINK_HEADER_BYTES + 12)
  bytes.set(to, NETLINK_HEADER_BYTES + 28)
}
