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
    whenHit:
      'a client that has this much unread gets its further pushes merged into one; ambient_limit_hits_total',
  },
  unreadBytes: {
    value: 67_108_864,
    unit: 'bytes',
    whenHit:
      'large answers wait until earlier ones, of all clients, have been read; ambient_limit_hits_total',
  },
  largeAnswer: {
    value: 1000,
    unit: 'items',
    whenHit: 'an answer of as many resources may have to wait for unreadBytes',
  },
  gzipBytes: {
    value: 16_384,
    unit: 'bytes',
    whenHit: 'a response from this size on is compressed for a client that accepts it',
  },
  sendMs: {
    value: 60_000,
    unit: 'ms',
    whenHit:
      'a client that has taken nothing of what was sent for so long is cut, and resumes; ambient_limit_hits_total',
  },
  pushSliceMs: {
    value: 10,
    unit: 'ms',
    whenHit: 'pushes to further clients go on after other work has had its turn',
  },
  policiesFirstMs: {
    value: 2000,
    unit: 'ms',
    whenHit: 'a node proxy that has not asked for policies is sent workloads without',
  },
  streamsPerSecond: {
    value: 100,
    unit: 'per-second',
    whenHit: 'a new stream waits for its turn',
  },
  streamWaitMs: {
    value: 1000,
    unit: 'ms',
    whenHit: 'a new stream that would wait longer is ended with RESOURCE_EXHAUSTED; ambient_limit_hits_total',
  },
  namesPerSubscription: {
    value: 100_000,
    unit: 'items',
    whenHit: 'the server ends the stream with RESOURCE_EXHAUSTED',
  },
  pendingDemands: {
    value: 10_000,
    unit: 'items',
    whenHit:
      'a further name that a node proxy on demand wants is not asked for, and its connections time out; ambient_limit_hits_total',
  },
  absentDemands: {
    value: 10_000,
    unit: 'items',
    whenHit:
      'the name of which nothing has been known longest is followed no longer, and asked for again when wanted; ambient_limit_hits_total',
  },
  typesPerStream: { value: 16, unit: 'items', whenHit: 'the server ends the stream with RESOURCE_EXHAUSTED' },
} as const

export const XDS_LIMITS: typeof table = defineLimits(table)

export type XdsLimits = LimitValues<typeof table>
export const xdsLimits: XdsLimits = limitValues(table)
