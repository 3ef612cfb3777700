import { defineLimits, type LimitDefinition } from '@ambient/telemetry'

type ControllerLimit = 'retryMs' | 'maxRetryMs'

/** Every bound of this app; docs/limits.md is made from it. */
export const CONTROLLER_LIMITS: Readonly<Record<ControllerLimit, LimitDefinition>> = defineLimits({
  retryMs: {
    value: 1_000,
    unit: 'ms',
    whenHit: 'A Gateway that could not be brought to its plan is tried again',
  },
  maxRetryMs: {
    value: 60_000,
    unit: 'ms',
    whenHit: 'The delay between such attempts, which doubles, grows no more',
  },
})
