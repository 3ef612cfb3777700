import { defineLimits } from '@ambient/telemetry'

const table = {
  reviewBytes: {
    value: 8_388_608,
    unit: 'bytes',
    whenHit: 'The review is answered with 413 and counted in galley_validation_http_error',
  },
  reviewMs: { value: 10_000, unit: 'ms', whenHit: 'A review that is not there whole by then is cut off' },
  idleMs: { value: 90_000, unit: 'ms', whenHit: 'The API server’s idle connection is closed' },
  connections: {
    value: 64,
    unit: 'connections',
    whenHit: 'Another connection to the webhook is closed at once',
  },
} as const

export const WEBHOOK_LIMITS: typeof table = defineLimits(table)
