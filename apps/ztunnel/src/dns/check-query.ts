import { type DnsMessage, type DnsQuestion, OPCODE_QUERY, recordTypes, responseCodes } from '@ambient/dns'
import type { ReasonCode } from '@ambient/telemetry'

export interface DnsRefusal {
  readonly kind: 'refuse'
  readonly responseCode: number
  readonly reason: ReasonCode
  readonly detail: string
}

/** The one question of a query, unless it is none that can be answered or passed on. Pure. */
export function checkQuery(
  query: DnsMessage,
): DnsRefusal | { readonly kind: 'ask'; readonly question: DnsQuestion } {
  const [question, ...more] = query.questions
  if (query.isResponse) return invalidQuery('it is a response')
  if (query.opcode !== OPCODE_QUERY) return unsupported(`opcode ${query.opcode}`)
  if (question === undefined || more.length > 0)
    return invalidQuery(`it has ${query.questions.length} questions`)
  const { edns } = query
  if (edns !== undefined && edns.version > 0)
    return unsupported(`EDNS version ${edns.version}`, responseCodes.badVersion)
  // The answer is many messages, and the name server that was asked is not the one we would ask.
  if (question.type === recordTypes.AXFR || question.type === recordTypes.IXFR)
    return unsupported('transfer of a zone')
  return { kind: 'ask', question }
}

export function invalidQuery(detail: string): DnsRefusal {
  return { kind: 'refuse', responseCode: responseCodes.formatError, reason: 'DNS_QUERY_INVALID', detail }
}

function unsupported(detail: string, responseCode: number = responseCodes.notImplemented): DnsRefusal {
  return { kind: 'refuse', responseCode, reason: 'DNS_QUERY_UNSUPPORTED', detail }
}
