import { defineLimits, type LimitValues, limitValues } from '@ambient/telemetry'

const table = {
  messageBytes: {
    value: 1024,
    unit: 'bytes',
    whenHit: 'A longer message is not sent; a truncated one ends the connection',
  },
  ackErrorBytes: { value: 800, unit: 'bytes', whenHit: 'The text is cut' },
  ackMs: {
    value: 5000,
    unit: 'ms',
    whenHit: 'The agent drops the connection: a late answer would be taken for the next one',
  },
  helloMs: { value: 5000, unit: 'ms', whenHit: 'The agent drops the connection' },
  queuedRequests: {
    value: 100,
    unit: 'items',
    whenHit: 'The request fails and its enrolment is tried again',
  },
  connections: { value: 8, unit: 'connections', whenHit: 'The agent closes the new connection' },
  acceptBurst: { value: 5, unit: 'connections', whenHit: 'Further connections wait' },
  acceptEveryMs: { value: 200, unit: 'ms', whenHit: 'Further connections wait' },
  acceptPauseMs: { value: 100, unit: 'ms', whenHit: 'The wait after running out of descriptors' },
  reconnectFirstMs: {
    value: 10,
    unit: 'ms',
    whenHit: 'The first wait of ztunnel after a failed connection; doubles',
  },
  reconnectMaxMs: { value: 15_000, unit: 'ms', whenHit: 'The longest wait between connections' },
} as const

/** Every bound of the protocol, for docs and metrics. */
export const ZDS_LIMITS: typeof table = defineLimits(table)

export type ZdsLimits = LimitValues<typeof table>

/** The numbers, for code; a test passes others. */
export const zdsLimits: ZdsLimits = limitValues(ZDS_LIMITS)
