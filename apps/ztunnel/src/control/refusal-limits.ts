import { defineLimits } from '@ambient/telemetry'

const table = {
  refusalsKept: {
    value: 200,
    unit: 'items',
    whenHit: 'The oldest leaves the configuration dump; it is in the log and in the metrics all the same',
  },
} as const

export const REFUSAL_LIMITS: typeof table = defineLimits(table)
