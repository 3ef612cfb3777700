import { defineLimits } from './limits.ts'

const table = {
  queuedLogLines: {
    value: 10_000,
    unit: 'lines',
    whenHit: 'Further lines are lost, never waited for; ambient_log_lines_dropped_total',
  },
  logValueChars: { value: 4096, unit: 'items', whenHit: 'The message or value is cut and ends in "…"' },
  logFilterParts: { value: 100, unit: 'items', whenHit: 'The filter is refused with LEVEL_FILTER_INVALID' },
} as const

export const LOG_LIMITS: typeof table = defineLimits(table)
