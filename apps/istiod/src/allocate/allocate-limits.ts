import { defineLimits, type LimitDefinition } from '@ambient/telemetry'

/** Bounds of allocating virtual IPs; docs/limits.md is made from it. */
export const ALLOCATE_LIMITS: Readonly<Record<'attempts' | 'retryMs', LimitDefinition>> = defineLimits({
  attempts: {
    value: 5,
    unit: 'attempts',
    whenHit: 'The addresses that could not be written are planned again when any ServiceEntry changes',
  },
  retryMs: {
    value: 100,
    unit: 'ms',
    whenHit: 'What failed is planned and written again, each time after twice as long',
  },
})
