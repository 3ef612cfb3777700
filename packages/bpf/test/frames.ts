import { addressBytes } from '@ambient/linux'

/** A packet to build; what is left out is as plain as can be. */
export interface Frame {
  readonly source: string
  readonly destination: string
  readonly protocol?: 'tcp' | 'udp' | 'icmp'
  readonly sourcePort?: number
  readonly destinationPort?: number
  /** Of TCP; a SYN unless it says otherwise. */
  readonly flags?: number
  readonly payload?: Uint8Array
  /** Bytes of IPv4 options, a multiple of 4; of TCP none are needed. */
  readonly optionBytes?: number
  /** IPv6: headers before the transport's. */
  readonly extensions?: readonly Extension[]
  /** IPv4: offset in units of 8 bytes, and whether more follow. */
  readonly fragment?: { readonly offset: number; readonly more: boolean } | undefined
  /** Tags within the frame, outermost first. */
  readonly vlans?: readonly number[]
}

export type Extension =
  | { readonly kind: 'hop-by-hop' | 'routing' | 'destination'; readonly words: number }
  | { readonly kind: 'authentication' }
  | { readonly kind: 'fragment'; readonly offset: number; readonly more: boolean }

export const SYN = 2
export const ACK = 16
const PROTOCOLS = { tcp: 6, udp: 17, icmp: 1 } as const
const EXTENSIONS = {
  'hop-by-hop': 0,
  routing: 43,
  destination: 60,
  authentication: 51,
  fragment: 44,
} as const
const ETHERNET_BYTES = 14

/** The bytes on the wire, checksums of the transport apart: no program here reads them. */
export function frameBytes(frame: Frame): Uint8Array {
  const isV6 = frame.destination.includes(':')
  const transport = transportBytes(frame)
  const network = isV6 ? v6Bytes(frame, transport) : v4Bytes(frame, transport)
  const types = [...(frame.vlans ?? []).map(() => 0x8100), isV6 ? 0x86dd : 0x0800]
  const tags = types.flatMap((type, index) => {
    const tag = frame.vlans?.[index]
    return [type >> 8, type & 255, ...(tag === undefined ? [] : [tag >> 8, tag & 255])]
  })
  return Uint8Array.from([...Array<number>(ETHERNET_BYTES - 2).fill(0), ...tags, ...network])
}

function transportBytes(frame: Frame): Uint8Array {
  const { protocol = 'tcp', sourcePort = 40_000, destinationPort = 80, flags = SYN } = frame
  const payload = frame.payload ?? new Uint8Array()
  const head = new Uint8Array(protocol === 'tcp' ? 20 : 8)
  const view = new DataView(head.buffer)
  if (protocol === 'icmp') view.setUint8(0, 8)
  else {
    view.setUint16(0, sourcePort)
    view.setUint16(2, destinationPort)
  }
  if (protocol === 'tcp') {
    view.setUint8(12, 0x50)
    view.setUint8(13, flags)
    view.setUint16(14, 1024)
  } else if (protocol === 'udp') view.setUint16(4, head.length + payload.length)
  return Uint8Array.from([...head, ...payload])
}

function v4Bytes(frame: Frame, transport: Uint8Array): Uint8Array {
  const { protocol = 'tcp', optionBytes = 0, fragment } = frame
  const head = new Uint8Array(20 + optionBytes).fill(1, 20) // no-operation options
  const view = new DataView(head.buffer)
  view.setUint8(0, 0x40 | (head.length / 4))
  view.setUint16(2, head.length + transport.length)
  if (fragment !== undefined) view.setUint16(6, (fragment.more ? 0x2000 : 0) | fragment.offset)
  view.setUint8(8, 64)
  view.setUint8(9, PROTOCOLS[protocol])
  head.set(addressBytes(frame.source), 12)
  head.set(addressBytes(frame.destination), 16)
  view.setUint16(10, checksum(head))
  return Uint8Array.from([...head, ...transport])
}

function v6Bytes(frame: Frame, transport: Uint8Array): Uint8Array {
  const { protocol = 'tcp', extensions = [] } = frame
  const last = protocol === 'icmp' ? 58 : PROTOCOLS[protocol]
  const numbers = [...extensions.map(({ kind }) => EXTENSIONS[kind]), last]
  const between = extensions.flatMap((each, index) => extensionBytes(each, numbers[index + 1] ?? last))
  const head = new Uint8Array(40)
  const view = new DataView(head.buffer)
  view.setUint8(0, 0x60)
  view.setUint16(4, between.length + transport.length)
  view.setUint8(6, numbers[0] ?? last)
  view.setUint8(7, 64)
  head.set(addressBytes(frame.source), 8)
  head.set(addressBytes(frame.destination), 24)
  return Uint8Array.from([...head, ...between, ...transport])
}

function extensionBytes(extension: Extension, next: number): readonly number[] {
  if (extension.kind === 'fragment') {
    const place = (extension.offset << 3) | (extension.more ? 1 : 0)
    return [next, 0, place >> 8, place & 255, 0, 0, 0, 1]
  }
  if (extension.kind === 'authentication') return [next, 4, ...Array<number>(22).fill(0)]
  return [next, extension.words, ...Array<number>(6 + extension.words * 8).fill(0)]
}

function checksum(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer)
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += view.getUint16(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}
