import { defineLimits, type LimitValues, limitValues } from '@ambient/telemetry'

const table = {
  handoverPacketBytes: { value: 16_384, unit: 'bytes', whenHit: 'A longer packet ends the hand-over' },
  handoverSocketsPerPacket: {
    value: 128,
    unit: 'items',
    whenHit: 'The sockets of a pod go in several packets',
  },
  handoverAnswerMs: {
    value: 2000,
    unit: 'ms',
    whenHit: 'The successor gives the hand-over up and binds sockets of its own beside the predecessor’s',
  },
  handoverCertificateMs: {
    value: 3000,
    unit: 'ms',
    whenHit:
      'A pod whose certificate has not come stays with the predecessor, and is asked for again after 5 s',
  },
  handoverSuccessors: {
    value: 1,
    unit: 'connections',
    whenHit: 'A further successor is turned away, and binds sockets of its own beside ours',
  },
} as const

/** Every bound of the hand-over between node proxies, for docs and metrics. */
export const HANDOVER_LIMITS: typeof table = defineLimits(table)

export type HandoverLimits = LimitValues<typeof table>

/** The numbers, for code; a test passes others. */
export const handoverLimits: HandoverLimits = limitValues(HANDOVER_LIMITS)
