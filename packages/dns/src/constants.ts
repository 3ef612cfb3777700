/** Types of records that have a meaning here; others are carried as bytes. */
export const recordTypes = { A: 1, CNAME: 5, AAAA: 28, OPT: 41, IXFR: 251, AXFR: 252 } as const

/** The Internet; the only class with names of the mesh. */
export const CLASS_IN = 1

/** The opcode of a standard query. */
export const OPCODE_QUERY = 0

export const responseCodes = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const

/** What the length field of a message over TCP can say. */
export const MAX_MESSAGE_BYTES = 65_535
/** What every receiver of a datagram takes, EDNS or not. */
export const MIN_PAYLOAD_BYTES = 512

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'A'],
  [2, 'NS'],
  [5, 'CNAME'],
  [6, 'SOA'],
  [12, 'PTR'],
  [13, 'HINFO'],
  [15, 'MX'],
  [16, 'TXT'],
  [28, 'AAAA'],
  [33, 'SRV'],
  [35, 'NAPTR'],
  [43, 'DS'],
  [46, 'RRSIG'],
  [47, 'NSEC'],
  [48, 'DNSKEY'],
  [50, 'NSEC3'],
  [52, 'TLSA'],
  [64, 'SVCB'],
  [65, 'HTTPS'],
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
  [257, 'CAA'],
])

/** The name of a type of record, `undefined` for a rare one: 65,536 numbers make no label of a metric. */
export function recordTypeName(type: number): string | undefined {
  return TYPE_NAMES.get(type)
}
