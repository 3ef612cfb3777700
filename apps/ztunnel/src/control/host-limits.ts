import { defineLimits, type LimitValues } from '@ambient/telemetry'

const table = {
  hostsCached: {
    value: 4096,
    unit: 'items',
    whenHit: 'The host name that was resolved first is resolved again when it is wanted',
  },
  hostsInFlight: {
    value: 256,
    unit: 'items',
    whenHit: 'A further host name counts as unresolved; ambient_limit_hits_total',
  },
  minTtlMs: { value: 1000, unit: 'ms', whenHit: 'Addresses are kept so long even if DNS says less' },
  maxTtlMs: { value: 300_000, unit: 'ms', whenHit: 'Addresses are kept no longer even if DNS says more' },
  failedMs: { value: 1000, unit: 'ms', whenHit: 'A host name that could not be resolved is tried again' },
} as const

export const HOST_LIMITS: typeof table = defineLimits(table)
export type HostLimits = LimitValues<typeof table>
