import {
  CLASS_IN,
  type DnsHeader,
  type DnsMessage,
  type DnsQuestion,
  type DnsRecord,
  type Edns,
  encodeMessage,
  MAX_MESSAGE_BYTES,
  MIN_PAYLOAD_BYTES,
  responseCodes,
} from '@ambient/dns'

export type DnsTransport = 'udp' | 'tcp'

/** What of a query its answer repeats. A query that could not be read has no more than a header. */
export type AnsweredQuery = DnsHeader & {
  readonly questions?: readonly DnsQuestion[]
  readonly edns?: Edns | undefined
}

/** Spares queries, and is not long after a service has gone. */
const TTL_SECONDS = 30
/** A datagram's payload over IPv4. */
const MAX_DATAGRAM_PAYLOAD_BYTES = 65_507

/** The most that the client takes in one message. */
export function answerRoom({ edns }: Pick<AnsweredQuery, 'edns'>, transport: DnsTransport): number {
  if (transport === 'tcp') return MAX_MESSAGE_BYTES
  return Math.min(Math.max(edns?.payloadBytes ?? 0, MIN_PAYLOAD_BYTES), MAX_DATAGRAM_PAYLOAD_BYTES)
}

/** Answers a query that was resolved here. @param alias The name that the addresses are of, if not the one asked for. */
export function answerQuery(
  query: AnsweredQuery,
  { addresses, alias }: { readonly addresses: readonly string[]; readonly alias: string | undefined },
  maxBytes: number,
): Uint8Array {
  const name = query.questions?.[0]?.name ?? ''
  const record = { class: CLASS_IN, ttlSeconds: TTL_SECONDS }
  const answers: DnsRecord[] = addresses.map((ip) => ({
    ...record,
    name: alias ?? name,
    data: { kind: 'address', ip },
  }))
  if (alias !== undefined) answers.unshift({ ...record, name, data: { kind: 'cname', target: alias } })
  const response = { ...responseTo(query, responseCodes.noError), isAuthoritative: true, answers }
  return encodeMessage(response, maxBytes)
}

/** Answers with a code and nothing else. */
export function refuseQuery(query: AnsweredQuery, responseCode: number): Uint8Array {
  return encodeMessage(responseTo(query, responseCode))
}

/** Tells the client that there is more than it takes this way: it asks again over TCP. */
export function truncatedAnswer(query: AnsweredQuery, responseCode: number): Uint8Array {
  return encodeMessage({ ...responseTo(query, responseCode), isTruncated: true })
}

function responseTo(query: AnsweredQuery, responseCode: number): DnsMessage {
  const { id, opcode, recursionDesired, checkingDisabled, questions = [], edns } = query
  return {
    id,
    opcode,
    recursionDesired,
    checkingDisabled,
    isResponse: true,
    isAuthoritative: false,
    isTruncated: false,
    recursionAvailable: true,
    authenticData: false,
    responseCode,
    questions,
    answers: [],
    authorities: [],
    additionals: [],
    edns:
      edns === undefined
        ? undefined
        : { ...edns, version: 0, payloadBytes: Math.max(edns.payloadBytes, MIN_PAYLOAD_BYTES) },
  }
}
