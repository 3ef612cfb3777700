import { defineLimits } from '@ambient/telemetry'

const table = {
  triesPerConnection: {
    value: 3,
    unit: 'items',
    whenHit: 'A connection that reached no upstream and sent no byte yet is reset with the last failure',
  },
  failingMs: {
    value: 10_000,
    unit: 'ms',
    whenHit: 'An endpoint that could not be reached may be picked again; before, only if there is no other',
  },
  failingEndpoints: {
    value: 1024,
    unit: 'items',
    whenHit: 'The failing endpoint that was remembered longest is forgotten; counted for each pod',
  },
} as const

export const OUTBOUND_LIMITS: typeof table = defineLimits(table)
