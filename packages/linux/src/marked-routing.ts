import { Errno, SyscallError } from './errno.ts'
import {
  changeByNetlink,
  dumpByNetlink,
  netlinkAttributes,
  netlinkNumber,
  NETLINK_ROUTE,
  NLM_F_CREATE,
  NLM_F_EXCL,
  numberAttribute,
  withNetlink,
} from './netlink.ts'
import { AF_INET, AF_INET6 } from './socket-address.ts'

/** Packets with a mark are looked up in a table of their own, in which everything is local on `lo`. */
export interface MarkedRouting {
  readonly family: 'ipv4' | 'ipv6'
  readonly priority: number
  readonly mark: number
  readonly mask: number
  /** Below 256. */
  readonly table: number
}

/** Which of the two parts are there. */
export interface MarkedRoutingParts {
  readonly rule: boolean
  readonly route: boolean
}

const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const RTM_GETROUTE = 26
const RTM_NEWRULE = 32
const RTM_DELRULE = 33
const RTM_GETRULE = 34
/** `struct rtmsg` and `struct fib_rule_hdr` are equally long, and alike where they are used here. */
const FIXED_BYTES = 12
const TABLE_AT = 4
const RTPROT_BOOT = 3
const RT_SCOPE_HOST = 254
const RTN_LOCAL = 2
const FR_ACT_TO_TBL = 1
const RTA_OIF = 4
const RTA_TABLE = 15
const FRA_PRIORITY = 6
const FRA_FWMARK = 10
const FRA_TABLE = 15
const FRA_FWMASK = 16
/** The same in every network namespace. */
const LO = 1

/** Looks in the calling thread's network namespace. @throws {SyscallError} */
export function findMarkedRouting(routing: MarkedRouting): MarkedRoutingParts {
  const body = fixed(routing, [])
  return withNetlink(NETLINK_ROUTE, (fd) => ({
    rule: dumpByNetlink(fd, { type: RTM_GETRULE, body }).some((found) => isRule(found.body, routing)),
    route: dumpByNetlink(fd, { type: RTM_GETROUTE, body }).some((found) => isRoute(found.body, routing)),
  }))
}

/** Adds what is not there; the route first, so that the rule never points at an empty table. @throws {SyscallError} */
export function addMarkedRouting(routing: MarkedRouting, found: MarkedRoutingParts): void {
  const flags = NLM_F_CREATE | NLM_F_EXCL
  withNetlink(NETLINK_ROUTE, (fd) => {
    if (!found.route)
      must(changeByNetlink(fd, { type: RTM_NEWROUTE, flags, body: routeBody(routing) }), Errno.EEXIST)
    if (!found.rule)
      must(changeByNetlink(fd, { type: RTM_NEWRULE, flags, body: ruleBody(routing) }), Errno.EEXIST)
  })
}

/** Removes what is there, the rule first. @throws {SyscallError} */
export function removeMarkedRouting(routing: MarkedRouting, found: MarkedRoutingParts): void {
  withNetlink(NETLINK_ROUTE, (fd) => {
    if (found.rule)
      must(changeByNetlink(fd, { type: RTM_DELRULE, flags: 0, body: ruleBody(routing) }), Errno.ENOENT)
    if (found.route)
      must(changeByNetlink(fd, { type: RTM_DELROUTE, flags: 0, body: routeBody(routing) }), Errno.ESRCH)
  })
}

/** @param already What the kernel says when somebody else was faster: it is as it should be. */
function must(result: number, already: number): void {
  if (result !== 0 && result !== already) throw new SyscallError('change of routing', result)
}

function isRule(body: Uint8Array, { priority, mark, mask, table }: MarkedRouting): boolean {
  const attributes = netlinkAttributes(body, FIXED_BYTES)
  return (
    netlinkNumber(attributes, FRA_PRIORITY) === priority &&
    netlinkNumber(attributes, FRA_FWMARK) === mark &&
    netlinkNumber(attributes, FRA_FWMASK) === mask &&
    (netlinkNumber(attributes, FRA_TABLE) ?? body[TABLE_AT]) === table
  )
}

function isRoute(body: Uint8Array, { table }: MarkedRouting): boolean {
  const attributes = netlinkAttributes(body, FIXED_BYTES)
  const [, destinationBits, , , shortTable, , , type] = body
  return (
    (netlinkNumber(attributes, RTA_TABLE) ?? shortTable) === table &&
    type === RTN_LOCAL &&
    destinationBits === 0 &&
    netlinkNumber(attributes, RTA_OIF) === LO
  )
}

/** `ip route add local default dev lo scope host table …`. */
function routeBody(routing: MarkedRouting): Uint8Array {
  const body = fixed(routing, [numberAttribute(RTA_TABLE, routing.table), numberAttribute(RTA_OIF, LO)])
  body.set([routing.table, RTPROT_BOOT, RT_SCOPE_HOST, RTN_LOCAL], TABLE_AT)
  return body
}

/** `ip rule add pref … fwmark …/… lookup …`. */
function ruleBody(routing: MarkedRouting): Uint8Array {
  const body = fixed(routing, [
    numberAttribute(FRA_PRIORITY, routing.priority),
    numberAttribute(FRA_FWMARK, routing.mark),
    numberAttribute(FRA_FWMASK, routing.mask),
    numberAttribute(FRA_TABLE, routing.table),
  ])
  body.set([routing.table, 0, 0, FR_ACT_TO_TBL], TABLE_AT)
  return body
}

function fixed({ family }: MarkedRouting, attributes: readonly Uint8Array[]): Uint8Array {
  const head = new Uint8Array(FIXED_BYTES)
  head[0] = family === 'ipv4' ? AF_INET : AF_INET6
  return new Uint8Array(Buffer.concat([head, ...attributes]))
}
