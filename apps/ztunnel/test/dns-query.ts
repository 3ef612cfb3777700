import { CLASS_IN, type DnsMessage, recordTypes } from '@ambient/dns'

/** A query as a resolver of an app sends it. */
export function dnsQuery(
  name: string,
  over: Partial<DnsMessage> = {},
  type: number = recordTypes.A,
): DnsMessage {
  return {
    id: 1,
    isResponse: false,
    opcode: 0,
    isAuthoritative: false,
    isTruncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    responseCode: 0,
    questions: [{ name, type, class: CLASS_IN }],
    answers: [],
    authorities: [],
    additionals: [],
    edns: undefined,
    ...over,
  }
}
