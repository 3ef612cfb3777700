import { defineLimits, limitValues } from '@ambient/telemetry'

const table = {
  stagingBytes: {
    value: 262_144,
    unit: 'bytes',
    whenHit: 'The rest waits for the next turn; one arena a direction, shared by all connections of a worker',
  },
  streamWindow: {
    value: 1_048_576,
    unit: 'bytes',
    whenHit: 'The sender waits; sending more is FLOW_CONTROL_ERROR',
  },
  maxStreamWindow: {
    value: 4_194_304,
    unit: 'bytes',
    whenHit: 'The window of a reader that keeps up is doubled no further',
  },
  connectionWindow: {
    value: 16_777_216,
    unit: 'bytes',
    whenHit: 'The sender waits; sending more is FLOW_CONTROL_ERROR',
  },
  bufferedBeforeDebt: {
    value: 16_777_216,
    unit: 'bytes',
    whenHit: 'Bytes kept for slow readers hold back the credit of the connection',
  },
  maxFrameBytes: { value: 1_048_576, unit: 'bytes', whenHit: 'GOAWAY FRAME_SIZE_ERROR' },
  maxHeaderBlockBytes: { value: 65_536, unit: 'bytes', whenHit: 'GOAWAY ENHANCE_YOUR_CALM' },
  maxHeaderListBytes: { value: 65_536, unit: 'bytes', whenHit: 'The request is answered 431' },
  maxContinuations: { value: 16, unit: 'items', whenHit: 'GOAWAY ENHANCE_YOUR_CALM' },
  headerTableBytes: {
    value: 4096,
    unit: 'bytes',
    whenHit: 'Older header table entries go; asking for more is COMPRESSION_ERROR',
  },
  maxStreams: { value: 200, unit: 'streams', whenHit: 'A server answers REFUSED_STREAM' },
  poolStreams: { value: 100, unit: 'streams', whenHit: 'The next tunnel takes another session' },
  poolSessions: {
    value: 8192,
    unit: 'connections',
    whenHit: 'The session that was idle longest is drained; without one, the tunnel is refused',
  },
  poolIdleMs: { value: 300_000, unit: 'ms', whenHit: 'A session without tunnels is drained' },
  controlQueueBytes: {
    value: 262_144,
    unit: 'bytes',
    whenHit: 'A peer that does not read its answers is cut off',
  },
  floodBurst: {
    value: 1000,
    unit: 'items',
    whenHit: 'GOAWAY ENHANCE_YOUR_CALM: too many frames that carry nothing',
  },
  floodPerSecond: { value: 200, unit: 'per-second', whenHit: 'The burst is not refilled faster' },
  fillsPerTurn: { value: 2, unit: 'items', whenHit: 'Other connections get their turn' },
  connectMs: {
    value: 10_000,
    unit: 'ms',
    whenHit: 'The dial fails with ETIMEDOUT; a tunnel is answered 503',
  },
  handshakeMs: { value: 10_000, unit: 'ms', whenHit: 'The connection is closed' },
  answerMs: {
    value: 30_000,
    unit: 'ms',
    whenHit:
      'A request that the next hop has not answered is given up; looked for with every PING, so up to 10 s later',
  },
  pingMs: { value: 10_000, unit: 'ms', whenHit: 'A PING is sent, whatever else passes' },
  pingAnswerMs: { value: 20_000, unit: 'ms', whenHit: 'The connection is closed and its tunnels are reset' },
  lingerMs: { value: 1000, unit: 'ms', whenHit: 'A closed connection stops waiting for its peer to hang up' },
  lingerBytes: {
    value: 1_048_576,
    unit: 'bytes',
    whenHit: 'A closed connection stops reading what its peer still sends',
  },
  discardMs: {
    value: 10_000,
    unit: 'ms',
    whenHit: 'An app that does not hang up after a waypoint ended its tunnel is closed',
  },
  pipeBytes: { value: 1_048_576, unit: 'bytes', whenHit: 'The rest waits in the socket' },
  spliceAfterBytes: {
    value: 1_048_576,
    unit: 'bytes',
    whenHit: 'A plaintext relay moves from copying to splice',
  },
  idlePipes: { value: 64, unit: 'items', whenHit: 'Further empty pipes are closed' },
} as const

/** Every bound of the byte path in one place. */
export const HBONE_LIMITS: typeof table = defineLimits(table)

export type HboneLimitName = keyof typeof table

/** The numbers alone, as the byte path reads them. */
export type HboneLimits = Readonly<Record<HboneLimitName, number>>

/** The values of the table, some replaced: for tests and experiments. */
export function hboneLimits(overrides: Partial<HboneLimits> = {}): HboneLimits {
  return { ...limitValues(HBONE_LIMITS), ...overrides }
}
