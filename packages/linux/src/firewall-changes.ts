import { Arena } from './arena.ts'
import { closeDescriptor } from './descriptor.ts'
import { check, errno, Errno, SyscallError } from './errno.ts'
import { AF_NETLINK, NETLINK_NETFILTER, NETLINK_ROUTE, openNetlink, SOCK_RAW } from './netlink.ts'
import type { NetworkNamespace } from './network-namespace.ts'
import { legacyTables } from './packet-tables.ts'
import { AF_INET, AF_INET6 } from './socket-address.ts'
import { IPPROTO_IP, IPPROTO_IPV6 } from './socket-option.ts'
import { sys } from './syscalls.ts'
import { SOCKET_FLAGS } from './tcp-socket.ts'

/** RTNLGRP_IPV4_ROUTE, IPV4_RULE, IPV6_ROUTE and IPV6_RULE. */
const ROUTING_GROUPS = (1 << 6) | (1 << 7) | (1 << 10) | (1 << 18)
/** NFNLGRP_NFTABLES: native rules and those of iptables' nft flavour. */
const NFTABLES_GROUP = 1 << 6

/** IPT_SO_GET_INFO, and that of IPv6. */
const GET_INFO = 64
const IPPROTO_RAW = 255
const MAX_MESSAGES = 256

const address = new Arena(12)
const messages = new Arena(16_384)
/** `struct ipt_getinfo`, and that of IPv6, which is the same; its length behind it. */
const INFO_BYTES = 84
const info = new Arena(INFO_BYTES + 4)

/**
 * Notices that somebody changed the packet filter rules, routes or routing rules of one namespace: the kernel tells, so that a
 * look costs three reads and not a listing of everything. Two descriptors, which hold the namespace.
 */
export class FirewallChanges implements Disposable {
  readonly #netns: NetworkNamespace
  readonly #fds: readonly number[]
  #legacy: string

  /** `netns` stays the caller's and must outlive this. @throws {SyscallError} without the right to listen */
  constructor(netns: NetworkNamespace) {
    this.#netns = netns
    this.#fds = netns.enter(() => [
      listenTo(NETLINK_ROUTE, ROUTING_GROUPS),
      listenTo(NETLINK_NETFILTER, NFTABLES_GROUP),
    ])
    this.#legacy = netns.enter(describeLegacy)
  }

  /** Whether anything was changed since the last time this was asked, or since the beginning; our own changes count. */
  take(): boolean {
    const heard = this.#fds.map(takeMessages).includes(true)
    const legacy = this.#netns.enter(describeLegacy)
    const isOther = legacy !== this.#legacy
    this.#legacy = legacy
    return heard || isOther
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds) closeDescriptor(fd)
  }
}

function listenTo(protocol: number, groups: number): number {
  const fd = openNetlink(protocol)
  address.bytes.fill(0)
  address.view.setUint16(0, AF_NETLINK, true)
  address.view.setUint32(8, groups, true)
  if (sys.bind(fd, address.base, 12) === 0) return fd
  const failure = new SyscallError('bind to netlink groups')
  closeDescriptor(fd)
  throw failure
}

/** Empties the socket, or reads its share: what is left is heard the next time. Messages lost for want of room are messages. */
function takeMessages(fd: number): boolean {
  for (let taken = 0; taken < MAX_MESSAGES; taken++) {
    const isEmpty = sys.read(fd, messages.base, messages.bytes.length) < 0 && errno() !== Errno.ENOBUFS
    if (isEmpty) return taken > 0
  }
  return true
}

/**
 * iptables' first implementation tells nobody of changes. Where it has tables, the kernel says how many entries each has and
 * where its chains begin: all that is added, removed or flushed shows, one rule in place of another of the same size does not.
 */
function describeLegacy(): string {
  return [
    describeTables(AF_INET, legacyTables('ipv4'), IPPROTO_IP),
    describeTables(AF_INET6, legacyTables('ipv6'), IPPROTO_IPV6),
  ].join(';')
}

function describeTables(family: number, found: readonly string[], level: number): string {
  const names = found.toSorted()
  if (names.length === 0) return ''
  const fd = check(sys.socket(family, SOCK_RAW | SOCKET_FLAGS, IPPROTO_RAW), 'socket')
  try {
    return names.map((name) => `${name}:${describeTable(fd, level, name)}`).join(',')
  } finally {
    closeDescriptor(fd)
  }
}

function describeTable(fd: number, level: number, name: string): string {
  info.bytes.fill(0)
  info.bytes.set(Buffer.from(name).subarray(0, 31))
  info.view.setUint32(INFO_BYTES, INFO_BYTES, true)
  const result = sys.getsockopt(fd, level, GET_INFO, info.base, info.at(INFO_BYTES))
  return result < 0 ? `errno ${errno()}` : Buffer.from(info.bytes.subarray(32, INFO_BYTES)).toString('hex')
}
