import { defineLimits } from '@ambient/telemetry'

const table = {
  socksRequestMs: {
    value: 10_000,
    unit: 'ms',
    whenHit: 'A client that has not said what it wants, or whose host name is not resolved, is hung up on',
  },
} as const

export const SOCKS_LIMITS: typeof table = defineLimits(table)
