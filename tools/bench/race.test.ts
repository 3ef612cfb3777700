import { expect, test } from 'vitest'
import { race, type RaceDeps, type Runner } from './race.ts'
import type { BenchSample } from './sample.ts'

const samples: BenchSample[] = []
const runner = (contestant: string): Runner => ({
  contestant,
  measure: () => Promise.resolve([{ case: 'bytes', value: samples.length, unit: 'MB/s' }]),
})
const deps: RaceDeps = {
  watchMachine: () => ({ load: 1.5, foreign: () => 0.25 }),
  onSample: (sample) => samples.push(sample),
}

test('race() interleaves: everybody once a round, and somebody else first each time', async () => {
  await race([runner('a'), runner('b'), runner('c')], 4, deps)
  expect(samples.map(({ contestant, round }) => `${contestant}${round}`).join(' ')).toBe(
    'a1 b1 c1 b2 c2 a2 c3 a3 b3 a4 b4 c4',
  )
  expect(samples[4]).toEqual({
    case: 'bytes',
    contestant: 'c',
    round: 2,
    value: 4,
    unit: 'MB/s',
    load: 1.5,
    foreign: 0.25,
  })
})

test('race() ends at the first failure and says whose it is', async () => {
  const failing = { contestant: 'b', measure: () => Promise.reject(new Error('3 answers were wrong')) }
  await expect(race([runner('a'), failing], 2, deps)).rejects.toThrow('b, round 1: 3 answers were wrong')
})
