import { addressBytes } from '@ambient/linux'
import type { BpfMap } from './bpf-map.ts'
import type { ObjectSpec } from './kernel-object.ts'

/** The programs of `bpf/redirect.c`, one a hook. */
export type RedirectProgram =
  | 'lo_ingress'
  | 'lo_egress'
  | 'uplink_ingress'
  | 'uplink_egress'
  | 'virtual_ingress'
export type RedirectMap = 'settings' | 'own_addresses' | 'counters' | 'dns_questions'

/** What `bpf/include/mesh_layout.h` says, repeated; a test holds the two against each other. */
export const redirectObject: ObjectSpec<RedirectProgram, RedirectMap> = {
  programs: ['lo_ingress', 'lo_egress', 'uplink_ingress', 'uplink_egress', 'virtual_ingress'],
  maps: {
    settings: { keyBytes: 4, valueBytes: 44 },
    own_addresses: { keyBytes: 16, valueBytes: 4 },
    counters: { keyBytes: 4, valueBytes: 8, isPerCpu: true },
    dns_questions: { keyBytes: 20, valueBytes: 16 },
  },
}

/** Why a packet was steered or dropped, in the order of their counters. */
export const redirectCauses = [
  'outbound',
  'inbound',
  'dns_stream',
  'dns_query',
  'dns_answer',
  'drop_not_ready',
  'drop_no_listener',
  'drop_not_assigned',
  'drop_fragment',
  'drop_truncated',
  'drop_headers',
  'drop_vlan',
  'drop_not_rewritten',
  'drop_guard',
] as const
export type RedirectCause = (typeof redirectCauses)[number]

export interface RedirectProgramSettings {
  readonly probe: { readonly v4: string; readonly v6: string }
  /** What ztunnel's own sockets carry. */
  readonly mark: number
  readonly mask: number
  readonly dnsCapture: boolean
}

const READY = 1
const DNS = 2
const ONLY = new Uint8Array(4)
const ADDRESS_BYTES = 16

/** From here on the programs steer; before, they drop. @throws {SyscallError} */
export function writeSettings(settings: BpfMap, chosen: RedirectProgramSettings): void {
  const value = new Uint8Array(redirectObject.maps.settings.valueBytes)
  value.set(addressKey(chosen.probe.v4), 0)
  value.set(addressKey(chosen.probe.v6), ADDRESS_BYTES)
  const view = new DataView(value.buffer)
  view.setUint32(32, chosen.mark, true)
  view.setUint32(36, chosen.mask, true)
  view.setUint32(40, READY | (chosen.dnsCapture ? DNS : 0), true)
  settings.set(ONLY, value)
}

/** Makes the map have these addresses and no others: new ones first, so that none is missing in between. @throws {SyscallError} */
export function writeOwnAddresses(own: BpfMap, ips: readonly string[]): void {
  const wanted = ips.map(addressKey)
  for (const key of wanted) own.set(key, ONLY)
  const names = new Set(wanted.map((key) => Buffer.from(key).toString('hex')))
  for (const key of own.keys()) if (!names.has(Buffer.from(key).toString('hex'))) own.delete(key)
}

/** What was counted until now, of all processors together. @throws {SyscallError} */
export function readCounters(counters: BpfMap): ReadonlyMap<RedirectCause, number> {
  return new Map(redirectCauses.map((cause, index) => [cause, countOf(counters, index)]))
}

function countOf(counters: BpfMap, index: number): number {
  const key = new Uint8Array(4)
  new DataView(key.buffer).setUint32(0, index, true)
  const each = counters.getEach(key) ?? []
  return each.reduce((sum, value) => sum + Number(new DataView(value.buffer).getBigUint64(0, true)), 0)
}

/** `struct mesh_address`: an IPv4 address is mapped into IPv6. */
function addressKey(ip: string): Uint8Array {
  const bytes = addressBytes(ip)
  if (bytes.length === ADDRESS_BYTES) return bytes
  return Uint8Array.from([...Array<number>(10).fill(0), 0xff, 0xff, ...bytes])
}
