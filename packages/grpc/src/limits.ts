import { defineLimits, type LimitValues, limitValues } from '@ambient/telemetry'

const table = {
  sessions: { value: 10_000, unit: 'connections', whenHit: 'a new connection is closed at once' },
  streamsPerSession: { value: 1000, unit: 'streams', whenHit: 'the client waits with its next call' },
  // A client that resumes names everything it holds, some 85 bytes each: 4 MiB would lock it out at 50,000 workloads.
  requestBytes: { value: 33_554_432, unit: 'bytes', whenHit: 'the call ends with RESOURCE_EXHAUSTED' },
  handshakeMs: {
    value: 10_000,
    unit: 'ms',
    whenHit: 'a connection without a finished TLS handshake is closed',
  },
  keepaliveMs: { value: 30_000, unit: 'ms', whenHit: 'a connection is asked whether it is still there' },
  keepaliveAnswerMs: { value: 10_000, unit: 'ms', whenHit: 'a connection that does not answer is closed' },
  // Each reconnect costs no more than what changed, so that clients spread over replicas again.
  sessionAgeMs: {
    value: 1_800_000,
    unit: 'ms',
    whenHit:
      'streams of a connection of this age, 10 % more or less, are ended, and their clients come again',
  },
  graceMs: {
    value: 2000,
    unit: 'ms',
    whenHit: 'calls that still run on a connection that is too old, or while the server stops, are cut',
  },
} as const

export const GRPC_LIMITS: typeof table = defineLimits(table)

export type GrpcLimits = LimitValues<typeof table>
export const grpcLimits: GrpcLimits = limitValues(table)
