import { beforeEach, expect, test } from 'vitest'
import { race, type RaceDeps, type Runner } from './race.ts'
import type { BenchSample } from './sample.ts'

const samples: BenchSample[] = []
let foreign: number[] = []
beforeEach(() => {
  samples.length = 0
  foreign = []
})

const runner = (contestant: string): Runner => ({
  contestant,
  measure: () => Promise.resolve([{ case: 'bytes', value: samples.length, unit: 'MB/s' }]),
})
const deps: RaceDeps = {
  untilQuiet: () => Promise.resolve(),
  watchMachine: () => ({ load: 1.5, foreign: () => foreign.shift() ?? 0.25 }),
  isQuiet: (cores) => cores < 0.3,
  onSample: (sample) => samples.push(sample),
  isLate: () => false,
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

test('race() begins no second round once it is late, and leaves no round half done', async () => {
  await race([runner('a'), runner('b')], 3, { ...deps, isLate: () => true })
  expect(samples.map(({ contestant, round }) => `${contestant}${round}`)).toEqual(['a1', 'b1'])
  await race([runner('c'), runner('d')], 3, { ...deps, isLate: () => samples.length > 4 })
  expect(samples.map(({ contestant, round }) => `${contestant}${round}`).slice(2)).toEqual([
    'c1',
    'd1',
    'd2',
    'c2',
  ])
})

test('race() takes a measurement again that others disturbed, and gives up after five', async () => {
  foreign = [0.9, 0.8, 0.1, 1, 1, 1, 1, 0.7]
  await race([runner('a'), runner('b')], 1, deps)
  expect(samples.map((sample) => `${sample.contestant} ${sample.foreign}`)).toEqual(['a 0.1', 'b 0.7'])
})

test('race() ends at the first failure and says whose it is', async () => {
  const failing = { contestant: 'b', measure: () => Promise.reject(new Error('3 answers were wrong')) }
  await expect(race([runner('a'), failing], 2, deps)).rejects.toThrow('b, round 1: 3 answers were wrong')
})
