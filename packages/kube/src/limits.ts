import { defineLimits, type LimitDefinition } from '@ambient/telemetry'

type KubeLimit =
  | 'lockWaitMs'
  | 'staleLockMs'
  | 'settleMs'
  | 'pollMs'
  | 'collectAgeMs'
  | 'leaseMs'
  | 'leaseGiveUpMs'
  | 'leaseRetryMs'
  | 'apiConnectMs'
  | 'apiAnswerMs'
  | 'apiAttempts'
  | 'listPage'
  | 'watchMs'
  | 'watchSilenceMs'
  | 'absentKindMs'
  | 'watchLineBytes'

/** Every bound of this package; docs/limits.md is made from it. */
export const KUBE_LIMITS: Readonly<Record<KubeLimit, LimitDefinition>> = defineLimits({
  lockWaitMs: { value: 3_000, unit: 'ms', whenHit: 'The write fails with LOCK_TIMEOUT' },
  staleLockMs: {
    value: 1_000,
    unit: 'ms',
    whenHit: 'The lock is taken from its holder, which must have died',
  },
  settleMs: { value: 10, unit: 'ms', whenHit: 'The file counts as whole and is read' },
  pollMs: {
    value: 2_000,
    unit: 'ms',
    whenHit: 'Every file is looked at again, in case the kernel told nothing',
  },
  collectAgeMs: {
    value: 60_000,
    unit: 'ms',
    whenHit: 'What was written for an object that is gone is removed',
  },
  leaseMs: { value: 30_000, unit: 'ms', whenHit: 'A lease that was not renewed may be taken by another' },
  leaseGiveUpMs: {
    value: 15_000,
    unit: 'ms',
    whenHit: 'A leader that could not renew its lease stops to lead, well before another may begin',
  },
  leaseRetryMs: { value: 7_500, unit: 'ms', whenHit: 'The lease is asked for, or renewed, again' },
  apiConnectMs: { value: 10_000, unit: 'ms', whenHit: 'The API server counts as unreachable' },
  apiAnswerMs: { value: 30_000, unit: 'ms', whenHit: 'The request counts as lost and is sent again' },
  apiAttempts: { value: 5, unit: 'attempts', whenHit: 'The request fails with API_UNAVAILABLE' },
  listPage: { value: 500, unit: 'items', whenHit: 'The rest of a list is asked for page by page' },
  watchMs: { value: 300_000, unit: 'ms', whenHit: 'The API server ends a watch and it is opened again' },
  watchSilenceMs: {
    value: 150_000,
    unit: 'ms',
    whenHit: 'A watch without event or bookmark counts as dead and is opened again',
  },
  absentKindMs: {
    value: 30_000,
    unit: 'ms',
    whenHit: 'It is asked again whether a missing kind is there now',
  },
  watchLineBytes: {
    value: 16_777_216,
    unit: 'bytes',
    whenHit: 'The watch is ended and its kind listed anew',
  },
})
