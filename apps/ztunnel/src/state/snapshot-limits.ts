import { defineLimits } from '@ambient/telemetry'

const table = {
  selectionsPerService: {
    value: 256,
    unit: 'items',
    whenHit:
      'What was worked out for the service is thrown away and worked out again, a pass over its endpoints',
  },
  joinedPolicySets: {
    value: 4096,
    unit: 'items',
    whenHit: 'Joined sets of policies are thrown away and joined again; the policies stay compiled',
  },
} as const

export const SNAPSHOT_LIMITS: typeof table = defineLimits(table)
