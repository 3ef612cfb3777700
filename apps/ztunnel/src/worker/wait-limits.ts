import { defineLimits, type LimitValues, limitValues } from '@ambient/telemetry'

const table = {
  workloadWaitMs: {
    value: 5000,
    unit: 'ms',
    whenHit: 'A connection of a pod that the control plane has not described is refused',
  },
  identityWaitMs: {
    value: 10_000,
    unit: 'ms',
    whenHit: 'A connection that waits for a certificate is refused with IDENTITY_UNAVAILABLE',
  },
  addressWaitMs: {
    value: 5000,
    unit: 'ms',
    whenHit: 'A connection to an address that was asked for on demand is refused with DESTINATION_UNANSWERED',
  },
  hostWaitMs: {
    value: 10_000,
    unit: 'ms',
    whenHit: 'An endpoint known by host name counts as unreachable; another one is tried',
  },
  hostsKept: {
    value: 1024,
    unit: 'items',
    whenHit: 'The host name whose addresses were learned first is asked about again; counted for each thread',
  },
} as const

export const WAIT_LIMITS: typeof table = defineLimits(table)
export type WaitLimits = LimitValues<typeof table>

/** The values of the table, some replaced: for tests. */
export function waitLimits(overrides: Partial<WaitLimits> = {}): WaitLimits {
  return { ...limitValues(WAIT_LIMITS), ...overrides }
}
