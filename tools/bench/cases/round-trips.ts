import { countOf, type LoadCounts } from '../load-program.ts'
import type { BenchCase, Measured } from './bench-case.ts'

const RATES = [500, 2000]
const CONNECTIONS = 16

export const roundTrips: BenchCase = {
  name: 'round-trips',
  title: `round trips of 1 KB at ${RATES.join(' and ')} a second on ${CONNECTIONS} connections, timed from when each was due`,
  needs: 'any ground',
  measure: async (ground, seconds) => {
    const measured: Measured[] = []
    for (const rate of RATES) {
      const counts = await ground.load({ mode: 'round-trips', many: CONNECTIONS, seconds, rate })
      measured.push(...percentiles(`1 KB there and back, ${rate}/s`, counts))
    }
    return measured
  },
}

/** Median and 99th percentile of a run of round trips. */
export function percentiles(name: string, counts: LoadCounts): readonly Measured[] {
  return ['p50', 'p99'].map((part) => ({
    case: `${name}, ${part}`,
    value: countOf(counts, `${part}us`) / 1000,
    unit: 'ms',
  }))
}
