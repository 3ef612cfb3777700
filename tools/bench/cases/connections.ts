import type { Ground } from '../ground.ts'
import { countOf } from '../load-program.ts'
import type { BenchCase, Measured } from './bench-case.ts'

const CONCURRENCY = [16, 256]

export const connections: BenchCase = {
  name: 'connections',
  title: `new connections, ${CONCURRENCY.join(' and ')} at a time: each sends 64 bytes, checks the echo, sees the server's end`,
  needs: 'any ground',
  measure: async (ground, seconds) => {
    const measured: Measured[] = []
    for (const many of CONCURRENCY) measured.push(await measureOne(ground, many, seconds))
    return measured
  },
}

async function measureOne(ground: Ground, many: number, seconds: number): Promise<Measured> {
  const counts = await ground.load({ mode: 'connections', many, seconds })
  const value = countOf(counts, 'right') / countOf(counts, 'seconds')
  return { case: `new connections, ${many} at a time`, value, unit: 'connections/s' }
}
