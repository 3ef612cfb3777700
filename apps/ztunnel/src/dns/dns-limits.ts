import { defineLimits, limitValues } from '@ambient/telemetry'

const table = {
  dnsPending: {
    value: 4096,
    unit: 'items',
    whenHit:
      'A query that would wait for a name server or for its pod’s description is answered SERVFAIL; of one thread; ambient_limit_hits_total',
  },
  dnsPendingPerPod: {
    value: 512,
    unit: 'items',
    whenHit: 'The same, of one pod on one thread; ambient_limit_hits_total',
  },
  dnsForwardMs: {
    value: 4500,
    unit: 'ms',
    whenHit: 'The query is answered SERVFAIL, before resolvers with the usual 5 s give up',
  },
  dnsAttempts: {
    value: 2,
    unit: 'attempts',
    whenHit:
      'A query is sent so often, or to each name server once if there are more; they share the time in equal parts',
  },
  dnsNameservers: { value: 3, unit: 'items', whenHit: 'Further ones in resolv.conf are not used' },
  dnsConnectionsPerPod: {
    value: 64,
    unit: 'connections',
    whenHit: 'A further connection to port 53 of one pod on one thread is reset; ambient_limit_hits_total',
  },
  dnsPipelined: {
    value: 16,
    unit: 'items',
    whenHit: 'Further queries of the connection are not read until one is answered',
  },
  dnsUnsentBytes: {
    value: 262_144,
    unit: 'bytes',
    whenHit:
      'A connection whose client does not read its answers is reset; before that, no query is read while an answer is unsent; ambient_limit_hits_total',
  },
  dnsIdleMs: {
    value: 5000,
    unit: 'ms',
    whenHit: 'A connection on which no whole query came, or no answer could be sent, is closed',
  },
  dnsDatagramsPerTurn: { value: 64, unit: 'items', whenHit: 'Others get their turn' },
  dnsDurations: {
    value: 1024,
    unit: 'items',
    whenHit: 'What was counted is handed to the control thread at once',
  },
} as const

export const DNS_LIMITS: typeof table = defineLimits(table)

export type DnsLimitName = keyof typeof table
export type DnsLimits = Readonly<Record<DnsLimitName, number>>

/** The values of the table, some replaced: for tests. */
export function dnsLimits(overrides: Partial<DnsLimits> = {}): DnsLimits {
  return { ...limitValues(DNS_LIMITS), ...overrides }
}
