/** One packet with descriptors attached (SCM_RIGHTS), by sendmsg and recvmsg. */
import { Arena, NULL } from './arena.ts'
import { errno, Errno } from './errno.ts'
import { sys } from './syscalls.ts'

export type SendPacketResult =
  | { readonly kind: 'sent' }
  | { readonly kind: 'wait' }
  | { readonly kind: 'failed'; readonly errno: number }

export type ReceivePacketResult =
  | {
      readonly kind: 'packet'
      /** A copy. */
      readonly bytes: Uint8Array
      /** Close-on-exec and the caller's from here on, whatever the bytes say. */
      readonly fds: readonly number[]
      /** Bytes or descriptors did not fit; the kernel has closed descriptors that did not. */
      readonly truncated: boolean
    }
  | { readonly kind: 'eof' }
  | { readonly kind: 'wait' }
  | { readonly kind: 'failed'; readonly errno: number }

/** The kernel's own limit (SCM_MAX_FD). */
export const MAX_PACKET_DESCRIPTORS = 253
/** The most bytes `sendPacket` takes. */
export const MAX_PACKET_BYTES = 65536

const MSG_CTRUNC = 0x8
const MSG_TRUNC = 0x20
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MSG_CMSG_CLOEXEC = 0x40000000
const SOL_SOCKET = 1
const SCM_RIGHTS = 1

// struct msghdr of a 64-bit system, its one iovec, and the control data behind it.
const NAME_AT = 0
const NAME_LENGTH_AT = 8
const IOV_AT = 16
const IOV_COUNT_AT = 24
const CONTROL_AT = 32
const CONTROL_LENGTH_AT = 40
const FLAGS_AT = 48
const VECTOR = 56
const CONTROL = 72
const CMSG_HEADER = 16
const CONTROL_BYTES = align8(CMSG_HEADER + 4 * MAX_PACKET_DESCRIPTORS)

const body = new Arena(MAX_PACKET_BYTES)
const message = new Arena(CONTROL + CONTROL_BYTES)
const WAIT = { kind: 'wait' } as const
const EOF = { kind: 'eof' } as const
const SENT = { kind: 'sent' } as const

/** Sends one packet. The descriptors are duplicated by the kernel: the caller still owns its own. */
export function sendPacket(fd: number, bytes: Uint8Array, fds: readonly number[]): SendPacketResult {
  if (fds.length > MAX_PACKET_DESCRIPTORS)
    throw new RangeError(`Cannot send ${fds.length} descriptors in one packet`)
  if (bytes.length > MAX_PACKET_BYTES) throw new RangeError(`Cannot send a packet of ${bytes.length} bytes`)
  body.bytes.set(bytes)
  putHeader(body.base, bytes.length, fds.length === 0 ? 0 : align8(CMSG_HEADER + 4 * fds.length))
  if (fds.length > 0) {
    message.view.setBigUint64(CONTROL, BigInt(CMSG_HEADER + 4 * fds.length), true)
    message.view.setInt32(CONTROL + 8, SOL_SOCKET, true)
    message.view.setInt32(CONTROL + 12, SCM_RIGHTS, true)
    for (const [i, each] of fds.entries()) message.view.setInt32(CONTROL + CMSG_HEADER + 4 * i, each, true)
  }
  if (sys.sendmsg(fd, message.base, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return SENT
  const code = errno()
  return code === Errno.EAGAIN ? WAIT : { kind: 'failed', errno: code }
}

/** Receives one packet of at most the arena's size. */
export function receivePacket(fd: number, arena: Arena): ReceivePacketResult {
  putHeader(arena.base, arena.bytes.length, CONTROL_BYTES)
  const length = sys.recvmsg(fd, message.base, MSG_CMSG_CLOEXEC | MSG_DONTWAIT)
  if (length < 0) {
    const code = errno()
    return code === Errno.EAGAIN ? WAIT : { kind: 'failed', errno: code }
  }
  const fds = takeDescriptors()
  if (length === 0) {
    for (const each of fds) sys.close(each)
    return EOF
  }
  const truncated = (message.view.getInt32(FLAGS_AT, true) & (MSG_TRUNC | MSG_CTRUNC)) !== 0
  return { kind: 'packet', bytes: arena.bytes.slice(0, length), fds, truncated }
}

function putHeader(bytesAt: bigint, length: number, controlLength: number): void {
  const { view } = message
  message.bytes.fill(0, 0, CONTROL + CMSG_HEADER)
  view.setBigUint64(NAME_AT, NULL, true)
  view.setUint32(NAME_LENGTH_AT, 0, true)
  view.setBigUint64(IOV_AT, message.at(VECTOR), true)
  view.setBigUint64(IOV_COUNT_AT, 1n, true)
  view.setBigUint64(CONTROL_AT, controlLength === 0 ? NULL : message.at(CONTROL), true)
  view.setBigUint64(CONTROL_LENGTH_AT, BigInt(controlLength), true)
  view.setBigUint64(VECTOR, bytesAt, true)
  view.setBigUint64(VECTOR + 8, BigInt(length), true)
}

/** Every descriptor of every control message. */
function takeDescriptors(): number[] {
  const { view } = message
  const end = CONTROL + Number(view.getBigUint64(CONTROL_LENGTH_AT, true))
  const fds: number[] = []
  for (let at = CONTROL; at + CMSG_HEADER <= end;) {
    const length = Number(view.getBigUint64(at, true))
    if (length < CMSG_HEADER) break
    const isRights = view.getInt32(at + 8, true) === SOL_SOCKET && view.getInt32(at + 12, true) === SCM_RIGHTS
    for (let each = at + CMSG_HEADER; isRights && each + 4 <= Math.min(at + length, end); each += 4) {
      fds.push(view.getInt32(each, true))
    }
    at += align8(length)
  }
  return fds
}

function align8(length: number): number {
  return (length + 7) & ~7
}
