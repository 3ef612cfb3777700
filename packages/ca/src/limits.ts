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
  answerBytes: { value: 4_194_304, unit: 'bytes', whenHit: 'the request for a certificate fails' },
  callMs: {
    value: 10_000,
    unit: 'ms',
    whenHit: 'the request for a certificate fails, and the next one goes over a new connection',
  },
} as const

export const CA_LIMITS: typeof table = defineLimits(table)
export const caLimits: LimitValues<typeof table> = limitValues(table)
