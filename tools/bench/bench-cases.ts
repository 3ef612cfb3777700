import type { Ground } from './ground.ts'
import { countOf } from './load-program.ts'

export interface Measured {
  /** The case with its parameters, as the table shows it. */
  readonly case: string
  readonly value: number
  readonly unit: string
}

export interface BenchCase {
  /** For `--help`. */
  readonly title: string
  readonly measure: (ground: Ground, seconds: number) => Promise<readonly Measured[]>
}

const CONCURRENCY = 16
const STREAMS = 1

export const benchCases: ReadonlyMap<string, BenchCase> = new Map([
  [
    'connections',
    {
      title: `new connections, ${CONCURRENCY} at a time: each sends 64 bytes, checks the echo, sees the end`,
      measure: async (ground, seconds): Promise<readonly Measured[]> => {
        const counts = await ground.load('connections', CONCURRENCY, seconds)
        const value = countOf(counts, 'right') / countOf(counts, 'seconds')
        return [{ case: `new connections, ${CONCURRENCY} at a time`, value, unit: 'connections/s' }]
      },
    },
  ],
  [
    'bytes',
    {
      title: `bytes from the server on ${STREAMS} stream, each compared with the one sent`,
      measure: async (ground, seconds): Promise<readonly Measured[]> => {
        const counts = await ground.load('bytes', STREAMS, seconds)
        const value = countOf(counts, 'bytes') / countOf(counts, 'seconds') / 1e6
        return [{ case: `bytes, ${STREAMS} stream`, value, unit: 'MB/s' }]
      },
    },
  ],
])
