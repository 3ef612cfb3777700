import { Arena } from './arena.ts'
import { closeDescriptor } from './descriptor.ts'
import { check, Errno, errno, SyscallError } from './errno.ts'
import { sys } from './syscalls.ts'
import { SOCKET_FLAGS } from './tcp-socket.ts'

export const AF_NETLINK = 16
export const SOCK_RAW = 3
export const NETLINK_ROUTE = 0
export const NETLINK_SOCK_DIAG = 4
export const NETLINK_NETFILTER = 12
const NLM_F_ACK = 0x4
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400

const NLM_F_REQUEST = 0x1
const NLMSG_ERROR = 2
const NETLINK_HEADER_BYTES = 16
const NLM_F_DUMP = 0x300
const NLM_F_DUMP_INTR = 0x10
const NLMSG_DONE = 3
/** What changes while it is listed is listed again, as often as this. */
const MAX_DUMPS = 5

const outgoing = new Arena(512)
/** The kernel never sends a larger piece of a listing. */
const incoming = new Arena(32_768)

export interface NetlinkRequest {
  readonly type: number
  readonly flags: number
  /** What stands behind the header. */
  readonly body: Uint8Array
}

export interface NetlinkMessage {
  readonly type: number
  readonly body: Uint8Array
}

/** `done` has what was asked for, or what acknowledges it. */
export type NetlinkAnswer =
  | { readonly kind: 'done'; readonly message: NetlinkMessage | undefined }
  | { readonly kind: 'refused'; readonly errno: number }

/** A socket that speaks to the kernel of the calling thread's network namespace. @throws {SyscallError} */
export function openNetlink(protocol: number): number {
  return check(sys.socket(AF_NETLINK, SOCK_RAW | SOCKET_FLAGS, protocol), 'socket')
}

/** Lends such a socket. */
export function withNetlink<T>(protocol: number, use: (fd: number) => T): T {
  const fd = openNetlink(protocol)
  try {
    return use(fd)
  } finally {
    closeDescriptor(fd)
  }
}

/** Asks for a change. @returns the kernel's errno, 0 for none */
export function changeByNetlink(fd: number, { type, flags, body }: NetlinkRequest): number {
  const answer = askByNetlink(fd, { type, flags: flags | NLM_F_ACK, body })
  return answer.kind === 'refused' ? answer.errno : 0
}

/** Asks for one message, or with NLM_F_ACK for none. The answer is there before the request has been sent. */
export function askByNetlink(fd: number, { type, flags, body }: NetlinkRequest): NetlinkAnswer {
  send(fd, { type, flags: flags | NLM_F_REQUEST, body })
  const length = check(sys.read(fd, incoming.base, incoming.bytes.length), 'read from netlink')
  const [message] = messagesIn(length)
  const refusal = message?.type === NLMSG_ERROR ? errorOf(message) : 0
  return refusal === 0 ? { kind: 'done', message } : { kind: 'refused', errno: refusal }
}

/**
 * Lists what the kernel has.
 *
 * @throws {SyscallError} when it refuses, or when the list changes each time it is read
 */
export function dumpByNetlink(fd: number, request: Omit<NetlinkRequest, 'flags'>): readonly NetlinkMessage[] {
  for (let tries = 0; tries < MAX_DUMPS; tries++) {
    send(fd, { ...request, flags: NLM_F_REQUEST | NLM_F_DUMP })
    const found = receiveDump(fd)
    if (found !== undefined) return found
  }
  throw new SyscallError('list by netlink', Errno.EINTR)
}

/** `struct nlattr` with a value of 32 bits. */
export function numberAttribute(type: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, 8, true)
  view.setUint16(2, type, true)
  view.setUint32(4, value, true)
  return bytes
}

/** The attributes behind a message's own `fixedBytes`, by their type. */
export function netlinkAttributes(body: Uint8Array, fixedBytes: number): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>()
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  for (let at = fixedBytes; at + 4 <= body.length;) {
    const length = view.getUint16(at, true)
    if (length < 4 || at + length > body.length) break
    found.set(view.getUint16(at + 2, true) & 0x3fff, body.subarray(at + 4, at + length))
    at += aligned(length)
  }
  return found
}

/** The value of a 32-bit attribute; undefined when there is none. */
export function netlinkNumber(attributes: ReadonlyMap<number, Uint8Array>, type: number): number | undefined {
  const bytes = attributes.get(type)
  if (bytes === undefined || bytes.length < 4) return undefined
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)
}

function send(fd: number, { type, flags, body }: NetlinkRequest): void {
  const length = NETLINK_HEADER_BYTES + body.length
  const { bytes, view } = outgoing
  bytes.fill(0, 0, NETLINK_HEADER_BYTES)
  view.setUint32(0, length, true)
  view.setUint16(4, type, true)
  view.setUint16(6, flags, true)
  bytes.set(body, NETLINK_HEADER_BYTES)
  check(sys.send(fd, outgoing.base, length, 0), 'send to netlink')
}

/** Each piece is there as soon as the one before was read. @returns undefined when the list changed meanwhile */
function receiveDump(fd: number): readonly NetlinkMessage[] | undefined {
  const found: NetlinkMessage[] = []
  let isWhole = true
  for (;;) {
    const length = sys.read(fd, incoming.base, incoming.bytes.length)
    if (length < 0) throw new SyscallError('read from netlink', errno())
    for (const message of messagesIn(length)) {
      if ((message.flags & NLM_F_DUMP_INTR) !== 0) isWhole = false
      if (message.type === NLMSG_DONE) return isWhole ? found : undefined
      if (message.type === NLMSG_ERROR) throw new SyscallError('list by netlink', errorOf(message))
      found.push(message)
    }
  }
}

function messagesIn(length: number): readonly (NetlinkMessage & { readonly flags: number })[] {
  const found: (NetlinkMessage & { readonly flags: number })[] = []
  const { bytes, view } = incoming
  for (let at = 0; at + NETLINK_HEADER_BYTES <= length;) {
    const size = view.getUint32(at, true)
    if (size < NETLINK_HEADER_BYTES || at + size > length) break
    const type = view.getUint16(at + 4, true)
    const flags = view.getUint16(at + 6, true)
    found.push({ type, flags, body: bytes.slice(at + NETLINK_HEADER_BYTES, at + size) }) // ours to keep
    at += aligned(size)
  }
  return found
}

function errorOf({ body }: NetlinkMessage): number {
  return -new DataView(body.buffer, body.byteOffset, 4).getInt32(0, true)
}

function aligned(length: number): number {
  return (length + 3) & ~3
}
