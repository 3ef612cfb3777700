/** SOCKS version 5, as much of it as a client without a password needs to be connected (RFC 1928). */
import { ipFromBytes } from '@ambient/model'
import type { AccessError } from '@ambient/telemetry'

export type SocksTarget =
  | { readonly kind: 'address'; readonly ip: string; readonly port: number }
  | { readonly kind: 'hostname'; readonly hostname: string; readonly port: number }

export type SocksDecoded<T> =
  /** In total, counted from the front of the input. */
  | { readonly kind: 'need'; readonly bytes: number }
  | { readonly kind: 'done'; readonly value: T }
  /** The client is told so, if there is anything to say, and hung up on. */
  | { readonly kind: 'refused'; readonly answer: Uint8Array; readonly detail: string }

/** Codes of a reply (RFC 1928, section 6). */
export const SOCKS_REPLY = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  connectionRefused: 5,
  commandUnsupported: 7,
  addressTypeUnsupported: 8,
} as const

const VERSION = 5
const NO_PASSWORD = 0
const NO_METHOD = 0xff
const CONNECT = 1
const ADDRESS_TYPE = { v4: 1, hostname: 3, v6: 4 } as const
const NOTHING = new Uint8Array(0)
/** The answer to a greeting: no password is needed. */
export const METHOD_ACCEPTED: Uint8Array = Uint8Array.of(VERSION, NO_PASSWORD)
/** No byte that could end a name or a line. */
const HOSTNAME = /^[\x21-\x7e]{1,255}$/

/** The client's greeting; it must not insist on a password. */
export function decodeGreeting(input: Uint8Array): SocksDecoded<undefined> {
  const [version, count] = input
  if (version !== undefined && version !== VERSION) return refused(NOTHING, `unsupported version ${version}`)
  if (count === undefined) return { kind: 'need', bytes: 2 }
  if (input.length < 2 + count) return { kind: 'need', bytes: 2 + count }
  if (input.subarray(2, 2 + count).includes(NO_PASSWORD)) return { kind: 'done', value: undefined }
  return refused(Uint8Array.of(VERSION, NO_METHOD), 'only unauthenticated is supported')
}

/** What the client wants to be connected to. */
export function decodeSocksRequest(input: Uint8Array): SocksDecoded<SocksTarget> {
  const [version, command, , type, length] = input
  if (version !== undefined && version !== VERSION) return refused(NOTHING, `unsupported version ${version}`)
  if (command !== undefined && command !== CONNECT)
    return refused(encodeReply(SOCKS_REPLY.commandUnsupported), `unsupported command ${command}`)
  if (type === undefined || length === undefined) return { kind: 'need', bytes: 5 }
  switch (type) {
    case ADDRESS_TYPE.v4:
      return decodeAddress(input, 4)
    case ADDRESS_TYPE.v6:
      return decodeAddress(input, 16)
    case ADDRESS_TYPE.hostname:
      return decodeHostname(input, length)
    default:
      return refused(encodeReply(SOCKS_REPLY.addressTypeUnsupported), `unsupported address type ${type}`)
  }
}

/** The bound address is not told: it is the pod's, at a port of no meaning. */
export function encodeReply(code: number): Uint8Array {
  return Uint8Array.of(VERSION, code, 0, ADDRESS_TYPE.v4, 0, 0, 0, 0, 0, 0)
}

/** What a client is told of a connection that could not be made. */
export function replyCode({ reason }: AccessError): number {
  switch (reason) {
    case 'SELF_CALL':
      return SOCKS_REPLY.notAllowed
    case 'NETWORK_GATEWAY_UNKNOWN':
      return SOCKS_REPLY.networkUnreachable
    case 'NO_HEALTHY_UPSTREAM':
    case 'WORKLOAD_ADDRESS_UNKNOWN':
    case 'CONNECT_TIMEOUT':
    case 'HBONE_TIMEOUT':
      return SOCKS_REPLY.hostUnreachable
    case 'CONNECT_FAILED':
      return SOCKS_REPLY.connectionRefused
    default:
      return SOCKS_REPLY.generalFailure
  }
}

function decodeAddress(input: Uint8Array, bytes: number): SocksDecoded<SocksTarget> {
  const end = 4 + bytes
  if (input.length < end + 2) return { kind: 'need', bytes: end + 2 }
  const ip = ipFromBytes(input.slice(4, end)) ?? ''
  return { kind: 'done', value: { kind: 'address', ip, port: portAt(input, end) } }
}

function decodeHostname(input: Uint8Array, length: number): SocksDecoded<SocksTarget> {
  const end = 5 + length
  if (input.length < end + 2) return { kind: 'need', bytes: end + 2 }
  const hostname = Buffer.from(input.subarray(5, end)).toString('latin1')
  if (!HOSTNAME.test(hostname))
    return refused(encodeReply(SOCKS_REPLY.generalFailure), 'the host name cannot be one')
  return { kind: 'done', value: { kind: 'hostname', hostname, port: portAt(input, end) } }
}

function portAt(input: Uint8Array, at: number): number {
  return ((input[at] ?? 0) << 8) | (input[at + 1] ?? 0)
}

function refused(answer: Uint8Array, detail: string): SocksDecoded<never> {
  return { kind: 'refused', answer, detail }
}
