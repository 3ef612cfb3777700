import { defineLimits, type LimitValues, limitValues } from '@ambient/telemetry'

const table = {
  csrBytes: { value: 16_384, unit: 'bytes', whenHit: 'the request is refused with INVALID_ARGUMENT' },
  maxRsaBits: {
    value: 8192,
    unit: 'items',
    whenHit: 'a request with a longer RSA key is refused with INVALID_ARGUMENT',
  },
  crlBytes: {
    value: 786_432,
    unit: 'bytes',
    whenHit: 'a longer file of revocation lists is not taken: no ConfigMap could hold it',
  },
} as const

export const CA_LIMITS: typeof table = defineLimits(table)
export const caLimits: LimitValues<typeof table> = limitValues(table)
