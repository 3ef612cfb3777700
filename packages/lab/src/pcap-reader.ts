import { ipFromBytes } from '@ambient/model'
import { LabError } from './lab-error.ts'

export interface TcpPacket {
  readonly timestampMs: number
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
  readonly sequence: number
  readonly flags: number
  readonly payload: Uint8Array
}

/** Bits of `TcpPacket.flags`. */
export const TCP_FIN = 0x01
export const TCP_SYN = 0x02
export const TCP_RST = 0x04

/** A frame as it was on the wire; `tcp` where there is one in it. */
export interface CapturedFrame {
  readonly bytes: Uint8Array
  readonly tcp: TcpPacket | undefined
}

const FILE_HEADER_BYTES = 24
const RECORD_HEADER_BYTES = 16
const MAGIC_MICROSECONDS = 0xa1b2c3d4
const LINK_ETHERNET = 1
const ETHERTYPE_IPV4 = 0x0800
const ETHERTYPE_IPV6 = 0x86dd
const ETHERTYPE_VLAN = 0x8100
const PROTOCOL_TCP = 6

/**
 * Every whole frame of a capture; one that is still being written at the end is left out.
 *
 * @throws {LabError} `CAPTURE_UNPROVEN` when it is no little-endian Ethernet pcap, or a frame was cut short by the capture
 * @see draft-ietf-opsawg-pcap
 */
export function* readPcap(file: Uint8Array): Generator<CapturedFrame> {
  if (file.length < FILE_HEADER_BYTES) return
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (
    view.getUint32(0, true) !== MAGIC_MICROSECONDS ||
    (view.getUint32(20, true) & 0xffff) !== LINK_ETHERNET
  ) {
    throw new LabError(
      'CAPTURE_UNPROVEN',
      'Cannot read capture: it is no little-endian pcap of Ethernet frames',
    )
  }
  let at = FILE_HEADER_BYTES
  while (at + RECORD_HEADER_BYTES <= file.length) {
    const captured = view.getUint32(at + 8, true)
    const end = at + RECORD_HEADER_BYTES + captured
    if (end > file.length) return
    if (captured < view.getUint32(at + 12, true))
      throw new LabError('CAPTURE_UNPROVEN', `Cannot trust capture: it cut the frame at byte ${at}`)
    const timestampMs = view.getUint32(at, true) * 1000 + view.getUint32(at + 4, true) / 1000
    const bytes = file.subarray(at + RECORD_HEADER_BYTES, end)
    yield { bytes, tcp: readFrame(bytes, timestampMs) }
    at = end
  }
}

/** What was sent each way of each connection, in order of sequence numbers, each byte once. */
export function tcpStreams(packets: Iterable<TcpPacket>): ReadonlyMap<string, Uint8Array> {
  const flows = new Map<string, TcpPacket[]>()
  for (const packet of packets) {
    const { source, sourcePort, destination, destinationPort } = packet
    const key = `${source}:${sourcePort} > ${destination}:${destinationPort}`
    const flow = flows.get(key) ?? []
    if (packet.payload.length > 0) flow.push(packet)
    flows.set(key, flow)
  }
  return new Map([...flows].map(([key, flow]) => [key, assemble(flow)]))
}

function assemble(flow: readonly TcpPacket[]): Uint8Array {
  const base = flow[0]?.sequence ?? 0
  const offsetOf = (packet: TcpPacket): number => (packet.sequence - base) | 0 // wraps at 2^32, as sequence numbers do
  const parts: Uint8Array[] = []
  let reached = -Infinity
  for (const packet of flow.toSorted((a, b) => offsetOf(a) - offsetOf(b))) {
    const offset = offsetOf(packet)
    const fresh = packet.payload.subarray(Math.max(0, Math.min(packet.payload.length, reached - offset)))
    parts.push(fresh)
    reached = Math.max(reached, offset + packet.payload.length)
  }
  return Buffer.concat(parts)
}

function readFrame(frame: Uint8Array, timestampMs: number): TcpPacket | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (frame.length < 14) return undefined
  const isTagged = view.getUint16(12) === ETHERTYPE_VLAN && frame.length >= 18
  const start = isTagged ? 18 : 14
  const type = view.getUint16(start - 2)
  if (type === ETHERTYPE_IPV4 && frame.length >= start + 20)
    return readIpv4(frame.subarray(start), timestampMs)
  if (type === ETHERTYPE_IPV6 && frame.length >= start + 40)
    return readIpv6(frame.subarray(start), timestampMs)
  return undefined
}

function readIpv4(packet: Uint8Array, timestampMs: number): TcpPacket | undefined {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  const headerBytes = (view.getUint8(0) & 0x0f) * 4
  if (view.getUint8(9) !== PROTOCOL_TCP || (view.getUint16(6) & 0x1fff) !== 0) return undefined
  const total = view.getUint16(2) || packet.length // 0: cut up by the card later, so the frame's length counts
  const text = (at: number): string => packet.subarray(at, at + 4).join('.')
  return readTcp(packet.subarray(headerBytes, total), {
    timestampMs,
    source: text(12),
    destination: text(16),
  })
}

/** Extension headers are not followed: nothing in a lab sends any with TCP. */
function readIpv6(packet: Uint8Array, timestampMs: number): TcpPacket | undefined {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  if (view.getUint8(6) !== PROTOCOL_TCP) return undefined
  const end = 40 + view.getUint16(4)
  const text = (at: number): string => ipFromBytes(packet.subarray(at, at + 16)) ?? ''
  return readTcp(packet.subarray(40, end === 40 ? packet.length : end), {
    timestampMs,
    source: text(8),
    destination: text(24),
  })
}

function readTcp(
  segment: Uint8Array,
  ip: Pick<TcpPacket, 'timestampMs' | 'source' | 'destination'>,
): TcpPacket | undefined {
  if (segment.length < 20) return undefined
  const view = new DataView(segment.buffer, segment.byteOffset, segment.byteLength)
  return {
    ...ip,
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    flags: view.getUint8(13),
    payload: segment.subarray((view.getUint8(12) >> 4) * 4),
  }
}
