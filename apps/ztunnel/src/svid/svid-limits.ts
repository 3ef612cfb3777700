import { defineLimits, type LimitValues } from '@ambient/telemetry'

const table = {
  concurrentFetches: {
    value: 8,
    unit: 'items',
    whenHit: 'Further certificate requests wait; those that connections wait for go first',
  },
  identities: {
    value: 10_000,
    unit: 'items',
    whenHit: 'Connections of further identities are refused with LIMIT_REACHED',
  },
  fetchMs: {
    value: 10_000,
    unit: 'ms',
    whenHit: 'The request counts as failed and is tried again after its delay',
  },
  demandMs: {
    value: 10_000,
    unit: 'ms',
    whenHit: 'The waiting connection is refused with IDENTITY_UNAVAILABLE',
  },
  firstRetryMs: {
    value: 1000,
    unit: 'ms',
    whenHit: 'A failed request is tried again; the delay doubles each time',
  },
  maxRetryMs: { value: 150_000, unit: 'ms', whenHit: 'The delay between failed requests grows no further' },
  demandedRetryMs: {
    value: 1000,
    unit: 'ms',
    whenHit: 'While a connection waits, the delay between failed requests is no longer than this',
  },
} as const

export const SVID_LIMITS: typeof table = defineLimits(table)
export type SvidLimits = LimitValues<typeof table>
