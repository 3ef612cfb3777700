import type { Arena } from './arena.ts'
import { addressBytes, addressText } from './ip-text.ts'

/** An IP address as canonical text, and a port. */
export interface SocketAddress {
  readonly ip: string
  readonly port: number
}

export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
/** Room for any address written or read here. */
export const SOCKADDR_BYTES = 28

/** Writes a sockaddr_in or sockaddr_in6 at `offset`; returns its length. */
export function putAddress(arena: Arena, offset: number, address: SocketAddress): number {
  const raw = addressBytes(address.ip)
  arena.bytes.fill(0, offset, offset + SOCKADDR_BYTES)
  arena.view.setUint16(offset, raw.length === 4 ? AF_INET : AF_INET6, true)
  arena.view.setUint16(offset + 2, address.port)
  arena.bytes.set(raw, offset + (raw.length === 4 ? 4 : 8))
  return raw.length === 4 ? 16 : 28
}

/** Reads a sockaddr at `offset`; an IPv4-mapped address comes out as IPv4, as policy and lookups expect. */
export function getAddress(arena: Arena, offset: number): SocketAddress {
  const port = arena.view.getUint16(offset + 2)
  const isIpv4 = arena.view.getUint16(offset, true) === AF_INET
  const start = offset + (isIpv4 ? 4 : 8)
  return { ip: addressText(arena.bytes.subarray(start, start + (isIpv4 ? 4 : 16))), port }
}
