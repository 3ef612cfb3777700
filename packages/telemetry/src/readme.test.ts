import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import {
  accessLine,
  createLogger,
  createMetrics,
  defineLimits,
  LevelFilter,
  limitValues,
  reason,
} from './index.ts'

test('the README’s example runs', async () => {
  const lines: string[] = []
  const log = createLogger({
    format: 'plain',
    level: LevelFilter.parse('info,xds=debug'),
    write: (line) => lines.push(line),
    clock: { nowMs: () => 0 },
    scope: 'ztunnel',
  })
  log.info('ready')
  log.debug('not shown')
  log.child('xds').debug('connected', { address: 'istiod:15012' })
  log.line(
    accessLine({
      event: 'failed',
      direction: 'outbound',
      src: { addr: '10.0.0.1:40000' },
      dst: { addr: '127.0.0.1:15001' },
      error: { reason: 'SELF_CALL', detail: 'attempted recursive call to ourselves' },
    }),
  )

  const registry = new Registry()
  createMetrics(registry, 'ztunnel').add('ambient_connections_refused_total', 1, ['outbound', 'SELF_CALL'])

  const limits = limitValues(
    defineLimits({ lines: { value: 10_000, unit: 'lines', whenHit: 'dropped and counted' } }),
  )

  expect(lines).toEqual([
    '1970-01-01T00:00:00.000000Z\tinfo\tztunnel\tready',
    '1970-01-01T00:00:00.000000Z\tdebug\txds\tconnected\taddress="istiod:15012"',
    '1970-01-01T00:00:00.000000Z\twarn\taccess\tconnection failed\tsrc.addr=10.0.0.1:40000 dst.addr=127.0.0.1:15001 direction="outbound" error="attempted recursive call to ourselves" reason="SELF_CALL"',
  ])
  expect(await registry.metrics()).toContain(
    'ambient_connections_refused_total{direction="outbound",reason="SELF_CALL"} 1',
  )
  expect(limits.lines).toBe(10_000)
  expect(reason('SELF_CALL').action).toContain('15008')
  expect(log.isEnabled('debug')).toBe(false)
})
