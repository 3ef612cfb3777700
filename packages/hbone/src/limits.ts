/** One bound of the byte path. */
export interface LimitRow {
  readonly value: number
  readonly unit: 'bytes' | 'ms' | 'streams' | 'frames' | 'frames a second' | 'fills' | 'pipes' | 'sessions'
  readonly whenHit: string
}

export type HboneLimitName =
  | 'stagingBytes'
  | 'streamWindow'
  | 'maxStreamWindow'
  | 'connectionWindow'
  | 'bufferedBeforeDebt'
  | 'maxFrameBytes'
  | 'maxHeaderBlockBytes'
  | 'maxHeaderListBytes'
  | 'maxContinuations'
  | 'headerTableBytes'
  | 'maxStreams'
  | 'poolStreams'
  | 'poolSessions'
  | 'poolIdleMs'
  | 'controlQueueBytes'
  | 'floodBurst'
  | 'floodPerSecond'
  | 'fillsPerTurn'
  | 'connectMs'
  | 'handshakeMs'
  | 'pingMs'
  | 'pingAnswerMs'
  | 'lingerMs'
  | 'lingerBytes'
  | 'discardMs'
  | 'pipeBytes'
  | 'spliceAfterBytes'
  | 'idlePipes'

/** Every bound of the byte path in one place. */
export const HBONE_LIMITS: Readonly<Record<HboneLimitName, LimitRow>> = {
  stagingBytes: {
    value: 262_144,
    unit: 'bytes',
    whenHit: 'The rest waits for the next turn; one arena a direction, shared by all connections of a worker',
  },
  streamWindow: { value: 1 << 20, unit: 'bytes', whenHit: 'The sender waits; sending more is FLOW_CONTROL_ERROR' },
  maxStreamWindow: { value: 4 << 20, unit: 'bytes', whenHit: 'The window of a reader that keeps up is doubled no further' },
  connectionWindow: { value: 16 << 20, unit: 'bytes', whenHit: 'The sender waits; sending more is FLOW_CONTROL_ERROR' },
  bufferedBeforeDebt: {
    value: 16 << 20,
    unit: 'bytes',
    whenHit: 'Bytes kept for slow readers hold back the credit of the connection',
  },
  maxFrameBytes: { value: 1 << 20, unit: 'bytes', whenHit: 'GOAWAY FRAME_SIZE_ERROR' },
  maxHeaderBlockBytes: { value: 65_536, unit: 'bytes', whenHit: 'GOAWAY ENHANCE_YOUR_CALM' },
  maxHeaderListBytes: { value: 65_536, unit: 'bytes', whenHit: 'The request is answered 431' },
  maxContinuations: { value: 16, unit: 'frames', whenHit: 'GOAWAY ENHANCE_YOUR_CALM' },
  headerTableBytes: { value: 4096, unit: 'bytes', whenHit: 'Older header table entries go; asking for more is COMPRESSION_ERROR' },
  maxStreams: { value: 200, unit: 'streams', whenHit: 'A server answers REFUSED_STREAM' },
  poolStreams: { value: 100, unit: 'streams', whenHit: 'The next tunnel takes another session' },
  poolSessions: { value: 8192, unit: 'sessions', whenHit: 'The session that was idle longest is drained; without one, the tunnel is refused' },
  poolIdleMs: { value: 300_000, unit: 'ms', whenHit: 'A session without tunnels is drained' },
  controlQueueBytes: { value: 262_144, unit: 'bytes', whenHit: 'A peer that does not read its answers is cut off' },
  floodBurst: { value: 1000, unit: 'frames', whenHit: 'GOAWAY ENHANCE_YOUR_CALM: too many frames that carry nothing' },
  floodPerSecond: { value: 200, unit: 'frames a second', whenHit: 'The burst is not refilled faster' },
  fillsPerTurn: { value: 2, unit: 'fills', whenHit: 'Other connections get their turn' },
  connectMs: { value: 10_000, unit: 'ms', whenHit: 'The dial fails with ETIMEDOUT; a tunnel is answered 503' },
  handshakeMs: { value: 10_000, unit: 'ms', whenHit: 'The connection is closed' },
  pingMs: { value: 10_000, unit: 'ms', whenHit: 'A PING is sent, whatever else passes' },
  pingAnswerMs: { value: 20_000, unit: 'ms', whenHit: 'The connection is closed and its tunnels are reset' },
  lingerMs: { value: 1000, unit: 'ms', whenHit: 'A closed connection stops waiting for its peer to hang up' },
  lingerBytes: { value: 1 << 20, unit: 'bytes', whenHit: 'A closed connection stops reading what its peer still sends' },
  discardMs: { value: 10_000, unit: 'ms', whenHit: 'An app that does not hang up after a waypoint ended its tunnel is closed' },
  pipeBytes: { value: 1 << 20, unit: 'bytes', whenHit: 'The rest waits in the socket' },
  spliceAfterBytes: { value: 1 << 20, unit: 'bytes', whenHit: 'A plaintext relay moves from copying to splice' },
  idlePipes: { value: 64, unit: 'pipes', whenHit: 'Further empty pipes are closed' },
}

/** The numbers alone, as the byte path reads them. */
export type HboneLimits = Readonly<Record<HboneLimitName, number>>

/** The values of the table, some replaced: for tests and experiments. */
export function hboneLimits(overrides: Partial<HboneLimits> = {}): HboneLimits {
  const value = (name: HboneLimitName): number => overrides[name] ?? HBONE_LIMITS[name].value
  return {
    stagingBytes: value('stagingBytes'),
    streamWindow: value('streamWindow'),
    maxStreamWindow: value('maxStreamWindow'),
    connectionWindow: value('connectionWindow'),
    bufferedBeforeDebt: value('bufferedBeforeDebt'),
    maxFrameBytes: value('maxFrameBytes'),
    maxHeaderBlockBytes: value('maxHeaderBlockBytes'),
    maxHeaderListBytes: value('maxHeaderListBytes'),
    maxContinuations: value('maxContinuations'),
    headerTableBytes: value('headerTableBytes'),
    maxStreams: value('maxStreams'),
    poolStreams: value('poolStreams'),
    poolSessions: value('poolSessions'),
    poolIdleMs: value('poolIdleMs'),
    controlQueueBytes: value('controlQueueBytes'),
    floodBurst: value('floodBurst'),
    floodPerSecond: value('floodPerSecond'),
    fillsPerTurn: value('fillsPerTurn'),
    connectMs: value('connectMs'),
    handshakeMs: value('handshakeMs'),
    pingMs: value('pingMs'),
    pingAnswerMs: value('pingAnswerMs'),
    lingerMs: value('lingerMs'),
    lingerBytes: value('lingerBytes'),
    discardMs: value('discardMs'),
    pipeBytes: value('pipeBytes'),
    spliceAfterBytes: value('spliceAfterBytes'),
    idlePipes: value('idlePipes'),
  }
}
