import { CodedError } from '@ambient/lifecycle'

export type DnsErrorCode = 'DNS_MESSAGE_INVALID' | 'DNS_NAME_INVALID'

/** Base of what this package throws on purpose. */
export class DnsError extends CodedError<DnsErrorCode> {}
