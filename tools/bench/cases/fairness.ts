import { countOf } from '../load-program.ts'
import type { BenchCase } from './bench-case.ts'
import { percentiles } from './round-trips.ts'

const HOG_STREAMS = 64
const VICTIM = { many: 4, rate: 200 }
/** The hog begins first and ends last: each of the two has its own warm-up and start. */
const HOG_LONGER_SECONDS = 1

export const fairness: BenchCase = {
  name: 'fairness',
  title: `a victim's round trips of 1 KB at ${VICTIM.rate} a second beside a hog: ${HOG_STREAMS} streams between the same two pods`,
  needs: 'any ground',
  measure: async (ground, seconds) => {
    const [hog, victim] = await Promise.all([
      ground.load({ mode: 'bytes', many: HOG_STREAMS, seconds: seconds + HOG_LONGER_SECONDS }),
      ground.load({ mode: 'round-trips', seconds, ...VICTIM }),
    ])
    return [
      ...percentiles('1 KB there and back beside a hog', victim),
      {
        case: 'bytes of the hog',
        value: countOf(hog, 'bytes') / countOf(hog, 'seconds') / 1e6,
        unit: 'MB/s',
      },
    ]
  },
}
