import { defineLimits, type LimitDefinition } from '@ambient/telemetry'

/** Bounds of writing statuses; docs/limits.md is made from it. */
export const STATUS_LIMITS: Readonly<Record<'attempts' | 'retryMs', LimitDefinition>> = defineLimits({
  attempts: {
    value: 5,
    unit: 'items',
    whenHit: 'The status is not written until its object or what there is to say about it changes again',
  },
  retryMs: {
    value: 100,
    unit: 'ms',
    whenHit: 'A write that failed is tried again, each time after twice as long',
  },
})
