import { parseSpiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import { ProxyMetrics, type ScrapedState } from './proxy-metrics.ts'

const id = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')
const now: ScrapedState = {
  registry: {
    pods: new Map([
      ['a', { info: { name: 'a', namespace: 'shop', serviceAccount: 'web' }, state: 'up' }],
      ['b', { info: { name: 'b', namespace: 'shop', serviceAccount: 'web' }, state: 'pending' }],
    ]),
    pending: ['b'],
    counts: { started: 5, stopped: 3 },
  },
  svids: { entries: () => [{ id, state: { kind: 'unavailable', error: 'x' } }] },
}

test('scrape() shows what pods and certificates are like now, and what has happened so far', async () => {
  const metrics = new ProxyMetrics('1.30')
  metrics.onFault('worker')
  metrics.onCertificateFetch('issued')
  metrics.onCertificateFetch('failed')
  metrics.onCertificateFetch('failed')
  metrics.onRefused('inbound', 'SELF_CALL')
  await metrics.scrape(now)
  const samples = (await metrics.scrape(now))
    .split('\n')
    .filter((line) => /^(work|ambient|istio_build)/.test(line))
  expect(samples).toEqual(
    expect.arrayContaining([
      'istio_build{component="ztunnel",tag="1.30"} 1',
      'workload_manager_active_proxy_count 1',
      'workload_manager_pending_proxy_count 1',
      'workload_manager_proxies_started_total 5',
      'workload_manager_proxies_stopped_total 3',
      'ambient_certificates{state="available"} 0',
      'ambient_certificates{state="unavailable"} 1',
      'ambient_certificate_fetches_total{result="issued"} 1',
      'ambient_certificate_fetches_total{result="failed"} 2',
      'ambient_worker_faults_total{scope="worker"} 1',
      'ambient_connections_refused_total{direction="inbound",reason="SELF_CALL"} 1',
    ]),
  )
})

test('everything that Istio’s dashboard of ztunnel reads of it is there', async () => {
  const text = await new ProxyMetrics('1.30').scrape(now)
  const families = new Set(text.matchAll(/^# TYPE (\S+) /gm).map(([, name]) => name))
  const read = [
    'istio_build',
    'istio_tcp_connections_opened_total',
    'istio_tcp_connections_closed_total',
    'istio_tcp_sent_bytes_total',
    'istio_tcp_received_bytes_total',
    'istio_dns_requests_total',
    'istio_xds_connection_terminations_total',
    'workload_manager_active_proxy_count',
    'workload_manager_pending_proxy_count',
  ]
  expect(read.filter((name) => !families.has(name))).toEqual([])
})
