import { ipFromBytes, isIpv6 } from '@ambient/model'
import { recordTypes } from './constants.ts'
import { decodeName } from './decode-name.ts'
import { DnsError } from './dns-error.ts'
import type { DnsHeader, DnsMessage, DnsQuestion, DnsRecord, Edns, RecordData } from './dns-message.ts'

/** Where a section ends, and what is in it. */
interface Section<T> {
  readonly items: readonly T[]
  readonly end: number
}

const HEADER_BYTES = 12
const QUESTION_TAIL_BYTES = 4
const RECORD_TAIL_BYTES = 10

/** What stands before the records. */
export interface DnsHead extends DnsHeader {
  /** The four bits of the header. */
  readonly responseCode: number
  readonly questions: readonly DnsQuestion[]
  readonly answerCount: number
}

/**
 * Reads one whole message, such as a datagram. Bytes behind it are ignored.
 *
 * @param input Not retained.
 * @throws {DnsError} `DNS_MESSAGE_INVALID` when a count, a length or a name leads out of the message, or it has two OPT records.
 * @see RFC 1035 section 4, RFC 6891 section 6.1
 */
export function decodeMessage(input: Uint8Array): DnsMessage {
  const { head, end } = readHead(input)
  const { answerCount, ...header } = head
  const view = viewOf(input)
  const answers = readSection(answerCount, end, (at) => readRecord(input, view, at))
  const authorities = readSection(view.getUint16(8), answers.end, (at) => readRecord(input, view, at))
  const additionals = readSection(view.getUint16(10), authorities.end, (at) => readRecord(input, view, at))
  const [opt, ...more] = additionals.items.filter(isOpt)
  if (more.length > 0) throw invalid('it has two OPT records')
  return {
    ...header,
    responseCode: header.responseCode | ((opt === undefined ? 0 : opt.ttlSeconds >>> 24) << 4),
    answers: answers.items,
    authorities: authorities.items,
    additionals: additionals.items.filter((record) => !isOpt(record)),
    edns: opt === undefined ? undefined : ednsOf(opt),
  }
}

/**
 * Reads header and questions and leaves the records alone: enough to know what an answer is to.
 *
 * @throws {DnsError} `DNS_MESSAGE_INVALID` when a question is not whole.
 */
export function decodeHead(input: Uint8Array): DnsHead {
  return readHead(input).head
}

/**
 * Reads the first twelve bytes: who could read no more can still answer.
 *
 * @throws {DnsError} `DNS_MESSAGE_INVALID` when there are fewer.
 */
export function decodeHeader(input: Uint8Array): DnsHeader {
  if (input.length < HEADER_BYTES) throw invalid(`${input.length} bytes are no header`)
  const view = viewOf(input)
  const flags = view.getUint16(2)
  return {
    id: view.getUint16(0),
    isResponse: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 0xf,
    isAuthoritative: (flags & 0x0400) !== 0,
    isTruncated: (flags & 0x0200) !== 0,
    recursionDesired: (flags & 0x0100) !== 0,
    recursionAvailable: (flags & 0x0080) !== 0,
    authenticData: (flags & 0x0020) !== 0,
    checkingDisabled: (flags & 0x0010) !== 0,
  }
}

function readHead(input: Uint8Array): { readonly head: DnsHead; readonly end: number } {
  const header = decodeHeader(input)
  const view = viewOf(input)
  const { items: questions, end } = readSection(view.getUint16(4), HEADER_BYTES, (at) =>
    readQuestion(input, view, at),
  )
  const responseCode = view.getUint8(3) & 0xf
  return { head: { ...header, responseCode, questions, answerCount: view.getUint16(6) }, end }
}

function readSection<T>(
  count: number,
  start: number,
  read: (at: number) => { readonly item: T; readonly end: number },
): Section<T> {
  const items: T[] = []
  let end = start
  for (let i = 0; i < count; i++) {
    const one = read(end)
    items.push(one.item)
    end = one.end
  }
  return { items, end }
}

function readQuestion(
  input: Uint8Array,
  view: DataView,
  at: number,
): { readonly item: DnsQuestion; readonly end: number } {
  const { name, end } = decodeName(input, at)
  if (end + QUESTION_TAIL_BYTES > input.length) throw invalid('a question ends early')
  return {
    item: { name, type: view.getUint16(end), class: view.getUint16(end + 2) },
    end: end + QUESTION_TAIL_BYTES,
  }
}

function readRecord(
  input: Uint8Array,
  view: DataView,
  at: number,
): { readonly item: DnsRecord; readonly end: number } {
  const { name, end: tail } = decodeName(input, at)
  const start = tail + RECORD_TAIL_BYTES
  if (start > input.length) throw invalid('a record ends early')
  const end = start + view.getUint16(tail + 8)
  if (end > input.length) throw invalid('the data of a record ends early')
  const data = readData(view.getUint16(tail), input, { start, end })
  return {
    item: { name, class: view.getUint16(tail + 2), ttlSeconds: view.getUint32(tail + 4), data },
    end,
  }
}

function readData(
  type: number,
  input: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
): RecordData {
  const bytes = input.slice(start, end)
  if (type === recordTypes.CNAME) {
    const { name, end: nameEnd } = decodeName(input, start)
    if (nameEnd !== end) throw invalid('a CNAME is longer or shorter than its data')
    return { kind: 'cname', target: name }
  }
  if (type === recordTypes.A || type === recordTypes.AAAA) {
    const ip = ipFromBytes(bytes)
    // An AAAA with an IPv4-mapped address has no text of its own: it stays as it came.
    if (ip !== undefined && isIpv6(ip) === (type === recordTypes.AAAA)) return { kind: 'address', ip }
  }
  return { kind: 'opaque', type, bytes }
}

function viewOf(input: Uint8Array): DataView {
  return new DataView(input.buffer, input.byteOffset, input.byteLength)
}

function isOpt({ data }: DnsRecord): boolean {
  return data.kind === 'opaque' && data.type === recordTypes.OPT
}

function ednsOf(opt: DnsRecord): Edns {
  return {
    payloadBytes: opt.class,
    version: (opt.ttlSeconds >>> 16) & 0xff,
    isDnssecOk: (opt.ttlSeconds & 0x8000) !== 0,
  }
}

function invalid(reason: string): DnsError {
  return new DnsError('DNS_MESSAGE_INVALID', `Cannot read DNS message: ${reason}`)
}
