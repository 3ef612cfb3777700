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

/** A byte thread that is ready, and throws at its first command. */
const THROWS = new URL(
  `data:text/javascript,${encodeURIComponent(`
import { parentPort, workerData } from 'node:worker_threads'
workerData.commands.on('message', () => { throw new Error('out of my depth') })
parentPort.postMessage({ kind: 'ready' })
`)}`,
)

test('a byte thread that ends by an exception is lost, and its owner is told', async () => {
  const { promise: lost, resolve } = Promise.withResolvers<unknown>()
  const pool = await WorkerPool.open({
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
