import type { Ground } from '../ground.ts'
import { countOf } from '../load-program.ts'
import type { BenchCase, Measured } from './bench-case.ts'
import { percentiles } from './round-trips.ts'

const AT_ONCE = 16

export const dns: BenchCase = {
  name: 'dns',
  title: `DNS queries over UDP, one and ${AT_ONCE} at a time, each answer checked: of a service, and of a name outside`,
  needs: 'any ground',
  measure: async (ground, seconds) => {
    const measured: Measured[] = []
    for (const name of ['service', 'outside'] as const)
      measured.push(...(await measureOne(ground, name, seconds)))
    return measured
  },
}

async function measureOne(
  ground: Ground,
  name: 'service' | 'outside',
  seconds: number,
): Promise<readonly Measured[]> {
  const alone = await ground.lookUp(name, { many: 1, seconds })
  const together = await ground.lookUp(name, { many: AT_ONCE, seconds })
  if (alone === undefined || together === undefined) return []
  return [
    ...percentiles(`DNS of ${name}, one at a time`, alone),
    {
      case: `DNS of ${name}, ${AT_ONCE} at a time`,
      value: countOf(together, 'persecond'),
      unit: 'queries/s',
    },
  ]
}
