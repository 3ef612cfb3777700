import type { BenchCase } from './cases/bench-case.ts'
import { bytes } from './cases/bytes.ts'
import { connections } from './cases/connections.ts'
import { dns } from './cases/dns.ts'
import { enrol } from './cases/enrol.ts'
import { fairness } from './cases/fairness.ts'
import { memory } from './cases/memory.ts'
import { roundTrips } from './cases/round-trips.ts'

/** All there is to measure, in the order of the race. */
export const benchCases: readonly BenchCase[] = [bytes, connections, roundTrips, fairness, dns, memory, enrol]

const RACE = 'race'
/** The control plane, which carries no bytes: it is measured with meshes of several sizes. */
export const ISTIOD = 'istiod'
export const caseNames: readonly string[] = [...benchCases.map(({ name }) => name), ISTIOD, RACE]

/** The cases that a name on the command line stands for. Pure. */
export function casesNamed(name: string): readonly BenchCase[] {
  return name === RACE ? benchCases : benchCases.filter((each) => each.name === name)
}
