import { CLASS_IN, type DnsMessage, queryMessage, recordTypes } from '@ambient/dns'

/** A query as a resolver of an app sends it. */
export function dnsQuery(
  name: string,
  over: Partial<DnsMessage> = {},
  type: number = recordTypes.A,
): DnsMessage {
  return { ...queryMessage(1, { name, type, class: CLASS_IN }), ...over }
}
