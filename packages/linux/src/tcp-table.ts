import { addressText } from './ip-text.ts'
import { dumpByNetlink, NETLINK_SOCK_DIAG, netlinkAttributes, netlinkNumber, withNetlink } from './netlink.ts'
import { AF_INET, type SocketAddress } from './socket-address.ts'

/** A connection of somebody in a network namespace. */
export interface TcpTableEntry {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** SO_MARK; 0 to those who may not see it (CAP_NET_ADMIN), and where there is none. */
  readonly mark: number
}

/** Of both families in one walk through the kernel's table, which it shares by all namespaces. */
const TCPDIAG_GETSOCK = 18
/** `struct inet_diag_req`. */
const REQUEST_BYTES = 60
const STATES_AT = 52
/** `struct inet_diag_msg`. */
const FOUND = { family: 0, ports: 4, source: 8, destination: 24, bytes: 72 } as const
const INET_DIAG_MARK = 15
const LISTEN = 1 << 10
/** All that still carry something: neither listening nor in TIME_WAIT nor without a peer. */
const OPEN = 0xfff & ~LISTEN & ~(1 << 6) & ~1

/**
 * The TCP connections of the calling thread's network namespace. `/proc/net/tcp` has the same, in many times the time: the
 * kernel goes through its whole table for every piece of it that is read.
 *
 * @throws {SyscallError} when the kernel cannot be asked
 */
export function tcpTableEntries(): readonly TcpTableEntry[] {
  return list(OPEN)
}

/** Where somebody in the calling thread's network namespace listens. @throws {SyscallError} when the kernel cannot be asked */
export function tcpListeners(): readonly SocketAddress[] {
  return list(LISTEN).map(({ local }) => local)
}

function list(states: number): readonly TcpTableEntry[] {
  const body = new Uint8Array(REQUEST_BYTES)
  body[0] = AF_INET
  new DataView(body.buffer).setUint32(STATES_AT, states, true)
  return withNetlink(NETLINK_SOCK_DIAG, (fd) => dumpByNetlink(fd, { type: TCPDIAG_GETSOCK, body })).map(
    (message) => readEntry(message.body),
  )
}

function readEntry(body: Uint8Array): TcpTableEntry {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const length = body[FOUND.family] === AF_INET ? 4 : 16
  const end = (at: number, port: number): SocketAddress => ({
    ip: addressText(body.subarray(at, at + length)),
    port: view.getUint16(port),
  })
  return {
    local: end(FOUND.source, FOUND.ports),
    remote: end(FOUND.destination, FOUND.ports + 2),
    mark: netlinkNumber(netlinkAttributes(body, FOUND.bytes), INET_DIAG_MARK) ?? 0,
  }
}
