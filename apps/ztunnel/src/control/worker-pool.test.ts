import { expect, test } from 'vitest'
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.ts'

const SETTINGS: WorkerPoolOptions['settings'] = {
  network: '',
  packetMark: 1337,
  ipv6: false,
  originalSource: 'never',
  tcp: { keepAlive: undefined, userTimeoutMs: undefined },
  tunnelLimits: {},
  drainMs: 100,
  clusterId: 'Kubernetes',
  tunnelsToLoopback: true,
  exchangesBaggage: true,
  isOnDemand: false,
  socks5: false,
  logsPolicies: false,
  tlsGroups: undefined,
  dns: undefined,
  logFilter: 'info',
}

/** A byte thread that throws at its first command. */
const THROWS = new URL(
  `data:text/javascript,${encodeURIComponent(`
import { workerData } from 'node:worker_threads'
workerData.commands.on('message', () => { throw new Error('out of my depth') })
`)}`,
)

test('a byte thread that ends by an exception is lost, and its owner is told', async () => {
  const { promise: lost, resolve } = Promise.withResolvers<unknown>()
  const pool = new WorkerPool({
    count: 1,
    entry: THROWS,
    settings: SETTINGS,
    onReport: () => {},
    onLost: resolve,
  })
  pool.broadcast({ kind: 'drain' })
  expect(String(await lost)).toContain('out of my depth')
  await pool.close()
})
