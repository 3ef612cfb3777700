import { mkdtempDisposableSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchCase, Measured } from './cases/bench-case.ts'
import type { Contestant } from './contestants.ts'
import { type Ground, openGround } from './ground.ts'
import { LabPool } from './lab-pool.ts'
import { compileLoad } from './load-program.ts'
import { race, type RaceDeps } from './race.ts'

export interface Measurement {
  readonly cases: readonly BenchCase[]
  readonly contestants: readonly Contestant[]
  readonly rounds: number
  readonly seconds: number
  readonly report: (message: string) => void
}

/** Case after case, contestants in turn; labs are brought up for it and gone after it. */
export async function measureAll(measurement: Measurement, deps: RaceDeps): Promise<void> {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambient-bench-'))
  const program = await compileLoad(folder.path)
  const [shared, fresh] = [true, false].map((isShared) =>
    measurement.cases.filter(({ needs }) => (needs === 'any ground') === isShared),
  )
  if (shared !== undefined && shared.length > 0)
    await measureShared({ ...measurement, cases: shared }, program, deps)
  for (const each of fresh ?? []) await measureFresh(measurement, each, program, deps)
}

/** Every contestant's programs stay up, and idle while it is another's turn. */
async function measureShared(measurement: Measurement, program: string, deps: RaceDeps): Promise<void> {
  const { cases, contestants, rounds, seconds, report } = measurement
  await using labs = new LabPool(report)
  const grounds: (readonly [name: string, ground: Ground])[] = []
  for (const contestant of contestants)
    grounds.push([contestant.name, await openGround(await labs.get(contestant.lab), contestant, program)])
  for (const each of cases) {
    const runners = grounds.map(([contestant, ground]) => ({
      contestant,
      measure: () => each.measure(ground, seconds),
    }))
    await race(runners, rounds, deps)
  }
}

/** Each measurement has a lab of its own. */
async function measureFresh(
  { contestants, rounds, seconds, report }: Measurement,
  each: BenchCase,
  program: string,
  deps: RaceDeps,
): Promise<void> {
  const suited = contestants.filter(({ carrier }) =>
    each.needs === 'a mesh of its own' ? carrier.kind === 'mesh' : carrier.kind !== 'none',
  )
  const runners = suited.map((contestant) => ({
    contestant: contestant.name,
    measure: async (): Promise<readonly Measured[]> => {
      await using labs = new LabPool(report)
      const ground = await openGround(await labs.get(contestant.lab), contestant, program)
      return await each.measure(ground, seconds)
    },
  }))
  await race(runners, rounds, deps)
}
