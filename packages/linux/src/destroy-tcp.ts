import { Errno } from './errno.ts'
import { addressBytes } from './ip-text.ts'
import { askByNetlink, changeByNetlink, NETLINK_SOCK_DIAG, withNetlink } from './netlink.ts'
import { AF_INET, AF_INET6, type SocketAddress } from './socket-address.ts'
import { IPPROTO_TCP } from './socket-option.ts'

export type DestroyTcpResult =
  | { readonly kind: 'destroyed' }
  | { readonly kind: 'failed'; readonly errno: number }

const SOCK_DIAG_BY_FAMILY = 20
const SOCK_DESTROY = 21
const TCP_LISTEN = 10
/** `struct inet_diag_req_v2`. */
const REQUEST_BYTES = 56
const COOKIE_AT = 48
/** In `struct inet_diag_msg`. */
const FOUND_STATE_AT = 1
const FOUND_COOKIE_AT = 44
const NO_COOKIE = 0xffff_ffff_ffff_ffffn
const ANY_STATE = 0xffff_ffff

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
    const ofAny = requestBody(local, remote, NO_COOKIE)
    const found = askByNetlink(fd, { type: SOCK_DIAG_BY_FAMILY, flags: 0, body: ofAny })
    if (found.kind === 'refused') return { kind: 'failed', errno: found.errno }
    const socket = found.message?.body
    if (socket === undefined || socket[FOUND_STATE_AT] === TCP_LISTEN)
      return { kind: 'failed', errno: Errno.ENOENT }
    const cookie = new DataView(socket.buffer, socket.byteOffset).getBigUint64(FOUND_COOKIE_AT, true)
    const body = requestBody(local, remote, cookie)
    const refused = changeByNetlink(fd, { type: SOCK_DESTROY, flags: 0, body })
    return refused === 0 ? { kind: 'destroyed' } : { kind: 'failed', errno: refused }
  })
}

function requestBody(local: SocketAddress, remote: SocketAddress, cookie: bigint): Uint8Array {
  const [from, to] = [addressBytes(local.ip), addressBytes(remote.ip)]
  const bytes = new Uint8Array(REQUEST_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, from.length === 4 ? AF_INET : AF_INET6)
  view.setUint8(1, IPPROTO_TCP)
  view.setUint32(4, ANY_STATE, true)
  view.setUint16(8, local.port)
  view.setUint16(10, remote.port)
  bytes.set(from, 12)
  bytes.set(to, 28)
  view.setBigUint64(COOKIE_AT, cookie, true)
  return bytes
}
