/** PROXY protocol version 2 (HAProxy proxy-protocol.txt, section 2.2), for TCP. */
import { ipFromBytes, ipToBytes } from '@ambient/model'
import { HboneError } from './hbone-error.ts'

export interface ProxyTlv {
  readonly type: number
  readonly value: Uint8Array
}

export interface ProxyEndpoint {
  readonly ip: string
  readonly port: number
}

export interface ProxyHeader {
  /** `undefined` when the two addresses are not of one family: the header then says nothing about them. */
  readonly addresses: { readonly source: ProxyEndpoint; readonly destination: ProxyEndpoint } | undefined
  readonly tlvs: readonly ProxyTlv[]
}

export type Decoded<T> =
  /** In total, counted from the front of the input. */
  | { readonly kind: 'need'; readonly bytes: number }
  | { readonly kind: 'done'; readonly value: T; readonly consumed: number }

/** The TLV that holds the SPIFFE ID of the peer. */
export const PROXY_TLV_PEER_ID = 0xd0

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a)
const VERSION_AND_COMMAND = 0x21
const FIXED_BYTES = 16
const FAMILY = { unspecified: 0x00, tcp4: 0x11, tcp6: 0x21 } as const
const IP_BYTES: ReadonlyMap<number, number> = new Map([
  [FAMILY.unspecified, 0],
  [FAMILY.tcp4, 4],
  [FAMILY.tcp6, 16],
])
const MAX_LENGTH = 0xffff

/** @throws {HboneError} `PROXY_HEADER_INVALID` when an address is none, a port out of range or the TLVs too long. */
export function encodeProxyHeader(
  source: ProxyEndpoint,
  destination: ProxyEndpoint,
  tlvs: readonly ProxyTlv[] = [],
): Uint8Array {
  const from = bytesOf(source)
  const to = bytesOf(destination)
  const addressBytes = from.length === to.length ? from.length * 2 + 4 : 0
  const length = tlvs.reduce((sum, tlv) => sum + 3 + tlv.value.length, addressBytes)
  if (length > MAX_LENGTH) throw invalid(`${length} bytes do not fit`)
  const bytes = new Uint8Array(FIXED_BYTES + length)
  const view = new DataView(bytes.buffer)
  bytes.set(SIGNATURE)
  bytes[12] = VERSION_AND_COMMAND
  if (addressBytes > 0) {
    bytes[13] = from.length === 4 ? FAMILY.tcp4 : FAMILY.tcp6
    bytes.set(from, FIXED_BYTES)
    bytes.set(to, FIXED_BYTES + from.length)
    view.setUint16(FIXED_BYTES + from.length * 2, source.port)
    view.setUint16(FIXED_BYTES + from.length * 2 + 2, destination.port)
  }
  view.setUint16(14, length)
  let at = FIXED_BYTES + addressBytes
  for (const { type, value } of tlvs) {
    bytes[at] = type
    view.setUint16(at + 1, value.length)
    bytes.set(value, at + 3)
    at += 3 + value.length
  }
  return bytes
}

/**
 * Reads a header from the front of `input`.
 *
 * @param input Everything received and not yet consumed. Not retained.
 * @returns `need` with the total bytes required so far, or the value and how many bytes it took.
 * @throws {HboneError} `PROXY_HEADER_INVALID` if the signature, version, command, family or a length is wrong.
 */
export function decodeProxyHeader(input: Uint8Array): Decoded<ProxyHeader> {
  for (let i = 0; i < Math.min(input.length, SIGNATURE.length); i++) {
    if (input[i] !== SIGNATURE[i]) throw invalid(`byte ${i} is not part of the signature`)
  }
  if (input.length < FIXED_BYTES) return { kind: 'need', bytes: FIXED_BYTES }
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  if (view.getUint8(12) !== VERSION_AND_COMMAND) throw invalid('version and command must be 0x21')
  const ipBytes = IP_BYTES.get(view.getUint8(13))
  if (ipBytes === undefined) throw invalid('family must be TCP over IPv4 or IPv6, or none')
  const addressBytes = ipBytes === 0 ? 0 : ipBytes * 2 + 4
  const end = FIXED_BYTES + view.getUint16(14)
  if (end < FIXED_BYTES + addressBytes) throw invalid('length does not cover the addresses')
  if (input.length < end) return { kind: 'need', bytes: end }
  const tlvs = readTlvs(input.slice(FIXED_BYTES + addressBytes, end))
  return { kind: 'done', value: { addresses: readAddresses(input, ipBytes), tlvs }, consumed: end }
}

function readAddresses(input: Uint8Array, ipBytes: number): ProxyHeader['addresses'] {
  const portsAt = FIXED_BYTES + ipBytes * 2
  const source = ipFromBytes(input.subarray(FIXED_BYTES, FIXED_BYTES + ipBytes))
  const destination = ipFromBytes(input.subarray(FIXED_BYTES + ipBytes, portsAt))
  if (source === undefined || destination === undefined) return undefined
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  return {
    source: { ip: source, port: view.getUint16(portsAt) },
    destination: { ip: destination, port: view.getUint16(portsAt + 2) },
  }
}

function readTlvs(bytes: Uint8Array): ProxyTlv[] {
  const tlvs: ProxyTlv[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < 3) throw invalid('a TLV ends early')
    const end = at + 3 + view.getUint16(at + 1)
    if (end > bytes.length) throw invalid('a TLV is longer than the header')
    tlvs.push({ type: view.getUint8(at), value: bytes.slice(at + 3, end) })
    at = end
  }
  return tlvs
}

function bytesOf({ ip, port }: ProxyEndpoint): Uint8Array {
  const bytes = ipToBytes(ip)
  if (bytes === undefined) throw invalid(`"${ip}" is not an address`)
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw invalid(`${port} is not a port`)
  return bytes
}

function invalid(reason: string): HboneError {
  return new HboneError('PROXY_HEADER_INVALID', `Cannot use PROXY header: ${reason}`)
}
