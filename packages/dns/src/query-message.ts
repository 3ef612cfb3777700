import { OPCODE_QUERY, responseCodes } from './constants.ts'
import type { DnsMessage, DnsQuestion } from './dns-message.ts'

/** One question as a stub resolver asks it, without EDNS. Pure. @see RFC 1035 4.1 */
export function queryMessage(id: number, question: DnsQuestion): DnsMessage {
  return {
    id,
    isResponse: false,
    opcode: OPCODE_QUERY,
    isAuthoritative: false,
    isTruncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    responseCode: responseCodes.noError,
    questions: [question],
    answers: [],
    authorities: [],
    additionals: [],
    edns: undefined,
  }
}
