/**
 * A name as text, labels joined by dots, without the last dot; the root is empty. Its case is kept. A dot or backslash
 * inside a label is escaped by a backslash and any other byte that is not printable ASCII is `\DDD`, so that two names
 * of different labels never have the same text.
 *
 * @see RFC 1035 section 5.1
 */
export type DnsName = string

export interface DnsHeader {
  readonly id: number
  readonly isResponse: boolean
  readonly opcode: number
  readonly isAuthoritative: boolean
  readonly isTruncated: boolean
  readonly recursionDesired: boolean
  readonly recursionAvailable: boolean
  readonly authenticData: boolean
  readonly checkingDisabled: boolean
}

export interface DnsQuestion {
  readonly name: DnsName
  readonly type: number
  readonly class: number
}

export type RecordData =
  /** A or AAAA, by the family of the canonical text. */
  | { readonly kind: 'address'; readonly ip: string }
  | { readonly kind: 'cname'; readonly target: DnsName }
  /** As on the wire. Of an older type it may hold pointers into the message it came in, and means nothing outside of it. */
  | { readonly kind: 'opaque'; readonly type: number; readonly bytes: Uint8Array }

export interface DnsRecord {
  readonly name: DnsName
  readonly class: number
  readonly ttlSeconds: number
  readonly data: RecordData
}

/** The OPT pseudo-record, without its options. */
export interface Edns {
  readonly payloadBytes: number
  readonly version: number
  readonly isDnssecOk: boolean
}

export interface DnsMessage extends DnsHeader {
  /** With the upper bits that EDNS has room for. */
  readonly responseCode: number
  readonly questions: readonly DnsQuestion[]
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
  /** Without the OPT record, which is `edns`. */
  readonly additionals: readonly DnsRecord[]
  readonly edns: Edns | undefined
}
