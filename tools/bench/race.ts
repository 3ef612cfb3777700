import { errorText } from '@ambient/lifecycle'
import type { Measured } from './cases/bench-case.ts'
import type { BenchSample } from './sample.ts'

export interface Runner {
  readonly contestant: string
  readonly measure: () => Promise<readonly Measured[]>
}

export interface RaceDeps {
  /** Waits, before each measurement, until the machine is fit for it. */
  readonly untilQuiet: () => Promise<void>
  /** Begins to look at the machine. */
  readonly watchMachine: () => MachineWatch
  /** Whether others were quiet enough for a measurement to count; one that does not is taken again, a few times. */
  readonly isQuiet: (foreign: number) => boolean
  readonly onSample: (sample: BenchSample) => void
  /** Whether the time for all is over: no round but a first one begins then. */
  readonly isLate: () => boolean
}

export interface MachineWatch {
  readonly load: number
  /** Cores that others kept busy since the watch began. */
  foreign(): number
}

const MAX_ATTEMPTS = 5

/**
 * Measures every contestant once a round. Each round begins with another of them, so that what changes on the machine
 * meanwhile meets all alike. All of a round are measured, or none.
 *
 * @throws {Error} naming the contestant and the round in which something went wrong
 */
export async function race(runners: readonly Runner[], rounds: number, deps: RaceDeps): Promise<void> {
  for (let round = 1; round <= rounds && (round === 1 || !deps.isLate()); round++) {
    for (const runner of rotated(runners, round - 1)) {
      const { measured, load, foreign } = await measureQuietly(runner, round, deps)
      for (const each of measured)
        deps.onSample({ ...each, contestant: runner.contestant, round, load, foreign })
    }
  }
}

interface Attempt {
  readonly measured: readonly Measured[]
  readonly load: number
  readonly foreign: number
}

async function measureQuietly(runner: Runner, round: number, deps: RaceDeps): Promise<Attempt> {
  for (let attempt = 1; ; attempt++) {
    await deps.untilQuiet()
    const watch = deps.watchMachine()
    const measured = await measureOne(runner, round)
    const foreign = watch.foreign()
    if (deps.isQuiet(foreign) || attempt === MAX_ATTEMPTS) return { measured, load: watch.load, foreign }
  }
}

async function measureOne({ contestant, measure }: Runner, round: number): Promise<readonly Measured[]> {
  try {
    return await measure()
  } catch (cause) {
    const message = errorText(cause)
    throw new Error(`${contestant}, round ${round}: ${message}`, { cause })
  }
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const cut = items.length === 0 ? 0 : by % items.length
  return [...items.slice(cut), ...items.slice(0, cut)]
}
