import { defineLimits } from '@ambient/telemetry'

const table = {
  lookMs: {
    value: 1000,
    unit: 'ms',
    whenHit:
      'The CA’s files are looked at again, and whether a root or istiod’s own certificate needs a successor',
  },
} as const

export const ISTIOD_CA_LIMITS: typeof table = defineLimits(table)
