import { defineLimits } from '@ambient/telemetry'

const table = {
  crlLookMs: { value: 1000, unit: 'ms', whenHit: 'The file of revocation lists is looked at again' },
  crlBytes: {
    value: 16_777_216,
    unit: 'bytes',
    whenHit: 'A larger file is not read; the lists before it stay in force',
  },
} as const

export const CRL_LIMITS: typeof table = defineLimits(table)
