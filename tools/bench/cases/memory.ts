import type { BenchCase } from './bench-case.ts'

const CONNECTIONS = 2000
const OPEN_MS = 120_000

export const memory: BenchCase = {
  name: 'memory',
  title: `memory of the carriers, both ends together, for each of ${CONNECTIONS} connections that do nothing, in programs that have carried next to nothing before`,
  needs: 'fresh programs',
  measure: async (ground) => {
    if (ground.use().rssBytes === 0) return [] // nobody carries
    const before = ground.use().rssBytes
    await using held = await ground.hold(CONNECTIONS, OPEN_MS)
    const after = ground.use().rssBytes
    await held.end()
    return [{ case: 'memory', value: (after - before) / CONNECTIONS / 1000, unit: 'KB/connection' }]
  },
}
