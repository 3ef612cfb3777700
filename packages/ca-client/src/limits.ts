import { defineLimits, type LimitValues, limitValues } from '@ambient/telemetry'

const table = {
  answerBytes: { value: 4_194_304, unit: 'bytes', whenHit: 'the request for a certificate fails' },
  callMs: {
    value: 10_000,
    unit: 'ms',
    whenHit: 'the request for a certificate fails, and the next one goes over a new connection',
  },
} as const

export const CA_CLIENT_LIMITS: typeof table = defineLimits(table)
export const caClientLimits: LimitValues<typeof table> = limitValues(table)
