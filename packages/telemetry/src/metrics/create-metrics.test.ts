import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { TelemetryError } from '../telemetry-error.ts'
import { createMetrics } from './create-metrics.ts'
import { metricTable } from './metric-table.ts'
import { trafficLabelNames } from './traffic-labels.ts'

test('createMetrics() exposes names, label order and unknown as the table says', async () => {
  const registry = new Registry()
  const metrics = createMetrics(registry, 'ztunnel')
  metrics.add('istio_tcp_connections_opened_total', 2, ['source', 'web', undefined, ''])
  metrics.set('istio_tcp_sockets_open', 3, ['source'])
  const text = await registry.metrics()
  const line = text.split('\n').find((one) => one.startsWith('istio_tcp_connections_opened_total{')) ?? ''
  expect([...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, name]) => name)).toEqual([...trafficLabelNames])
  expect(line).toContain(
    'reporter="source",source_workload="web",source_canonical_service="unknown",source_canonical_revision="unknown"',
  )
  expect(line).toMatch(/ 2$/)
  expect(text).toContain('istio_tcp_sockets_open{reporter="source"} 3')
})

test('createMetrics() observes histograms', async () => {
  const registry = new Registry()
  createMetrics(registry, 'istiod').observe('pilot_proxy_convergence_time', 0.02)
  expect(await registry.metrics()).toContain('pilot_proxy_convergence_time_bucket{le="0.05"} 1')
})

test('createMetrics() registers the metrics of one component and of all, and refuses others', () => {
  const registry = new Registry()
  const metrics = createMetrics(registry, 'cni')
  const names = registry.getMetricsAsArray().map(({ name }) => name)
  expect(names).toContain('istio_cni_install_ready')
  expect(names).toContain('istio_build')
  expect(names).not.toContain('pilot_xds')
  expect(() => metrics.set('pilot_xds', 1)).toThrow(TelemetryError)
  expect(() => metrics.set('ztunnel_connected', 1, ['label'])).toThrow(
    'Metric ztunnel_connected has 0 labels, not 1',
  )
})

test('createMetrics() bounds the number of series of a metric', async () => {
  const registry = new Registry()
  const metrics = createMetrics(registry, 'ztunnel', { maxSeries: 2 })
  for (const url of ['a', 'b', 'c', 'd', 'a']) metrics.add('istio_xds_message_total', 1, [url])
  const text = await registry.metrics()
  expect(text).toContain('istio_xds_message_total{url="a"} 2')
  expect(text).toContain('istio_xds_message_total{url="overflow"} 2')
  expect(text).not.toContain('url="c"')
  expect(text).toContain('ambient_limit_hits_total{limit="metricSeries"} 2')
})

test.each([...metricTable])(
  'metricTable has a sound entry for %s',
  (name, { type, help, labels, buckets }) => {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
    expect(help).not.toBe('')
    expect(new Set(labels).size).toBe(labels.length)
    expect(buckets !== undefined).toBe(type === 'histogram')
  },
)
