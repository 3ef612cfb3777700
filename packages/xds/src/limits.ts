import { defineLimits, type LimitValues, limitValues } from '@ambient/telemetry'

const table = {
  maxResponseBytes: {
    value: 209_715_200,
    unit: 'bytes',
    whenHit: 'the client ends the stream and comes back after a delay',
  },
  sliceResources: {
    value: 500,
    unit: 'items',
    whenHit: 'a response is applied in slices, and other work runs between them',
  },
  refusalBytes: {
    value: 8192,
    unit: 'bytes',
    whenHit: 'a NACK names the first refused resources and counts the rest',
  },
  connectMs: {
    value: 5000,
    unit: 'ms',
    whenHit: 'the client gives the attempt up and starts the next after a delay',
  },
  stableMs: {
    value: 1000,
    unit: 'ms',
    whenHit: 'a stream that lived less long does not shorten the delay before the next',
  },
  firstDelayMs: { value: 10, unit: 'ms', whenHit: 'the first delay before a new stream, doubled each time' },
  maxDelayMs: { value: 15_000, unit: 'ms', whenHit: 'the longest delay before a new stream' },
  inFlightBytes: {
    value: 262_144,
    unit: 'bytes',
    whenHit: 'a client that has this much unread gets its further pushes merged into one',
  },
  namesPerSubscription: {
    value: 100_000,
    unit: 'items',
    whenHit: 'the server ends the stream with RESOURCE_EXHAUSTED',
  },
  typesPerStream: { value: 16, unit: 'items', whenHit: 'the server ends the stream with RESOURCE_EXHAUSTED' },
} as const

export const XDS_LIMITS: typeof table = defineLimits(table)

export type XdsLimits = LimitValues<typeof table>
export const xdsLimits: XdsLimits = limitValues(table)
