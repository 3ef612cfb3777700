import { createMetrics, type Metrics } from '@ambient/telemetry'
import type { XdsEvent } from '@ambient/xds'
import { Registry } from 'prom-client'
import { fileLimit } from '@ambient/linux'
import { readdirSync } from 'node:fs'
import type { DnsCounts } from '../dns/dns-report.ts'
import type { PodRegistry } from '../pods/pod-registry.ts'
import type { SvidCache } from '../svid/svid-cache.ts'
import type { WorkerReport } from '../worker/messages.ts'

/** What a scrape reads of the rest of the proxy. */
export interface ScrapedState {
  readonly registry: Pick<PodRegistry, 'pods' | 'pending' | 'counts'>
  readonly svids: Pick<SvidCache, 'entries'>
}

const CERTIFICATE_STATES = ['initializing', 'available', 'unavailable'] as const

/** The proxy's metrics under upstream's names. */
export class ProxyMetrics {
  readonly registry: Registry = new Registry()
  readonly #metrics: Metrics
  #pods = { started: 0, stopped: 0 }
  readonly #sockets = { source: 0, destination: 0 }

  constructor(version: string) {
    this.#metrics = createMetrics(this.registry, 'ztunnel')
    this.#metrics.set('istio_build', 1, ['ztunnel', version])
  }

  onTraffic({
    samples,
    socketsOpened: [source, destination],
    counts,
  }: Extract<WorkerReport, { kind: 'traffic' }>): void {
    for (const { labels, opened, closed, failed, sentBytes, receivedBytes } of samples) {
      if (opened > 0) this.#metrics.add('istio_tcp_connections_opened_total', opened, labels)
      if (closed > 0) this.#metrics.add('istio_tcp_connections_closed_total', closed, labels)
      if (failed > 0) this.#metrics.add('istio_tcp_connections_failed_total', failed, labels)
      if (sentBytes > 0) this.#metrics.add('istio_tcp_sent_bytes_total', sentBytes, labels)
      if (receivedBytes > 0) this.#metrics.add('istio_tcp_received_bytes_total', receivedBytes, labels)
    }
    for (const { metric, labels, amount } of counts) this.#metrics.add(metric, amount, labels)
    this.#sockets.source += source
    this.#sockets.destination += destination
    this.#metrics.set('istio_tcp_sockets_open', this.#sockets.source, ['source'])
    this.#metrics.set('istio_tcp_sockets_open', this.#sockets.destination, ['destination'])
  }

  onDns({ samples, limitHits, refusals }: DnsCounts): void {
    for (const { labels, requests, forwarded, failures, durationsSeconds } of samples) {
      if (requests > 0) this.#metrics.add('istio_dns_requests_total', requests, labels)
      if (forwarded > 0) this.#metrics.add('istio_dns_upstream_requests_total', forwarded, labels)
      if (failures > 0) this.#metrics.add('istio_dns_upstream_failures_total', failures, labels)
      for (const seconds of durationsSeconds)
        this.#metrics.observe('istio_dns_upstream_request_duration_seconds', seconds, labels)
    }
    for (const [limit, hits] of Object.entries(limitHits))
      this.#metrics.add('ambient_limit_hits_total', hits, [limit])
    for (const [reason, count] of Object.entries(refusals))
      this.#metrics.add('ambient_dns_refused_total', count, [reason])
  }

  onXds(event: XdsEvent): void {
    if (event.kind === 'terminated')
      this.#metrics.add('istio_xds_connection_terminations_total', 1, [event.reason])
    if (event.kind !== 'response') return
    this.#metrics.add('istio_xds_message_total', 1, [event.typeUrl])
    this.#metrics.add('istio_xds_message_bytes_total', event.bytes, [event.typeUrl])
  }

  onRefused(direction: string, reason: string): void {
    this.#metrics.add('ambient_connections_refused_total', 1, [direction, reason])
  }

  onLimit(limit: string): void {
    this.#metrics.add('ambient_limit_hits_total', 1, [limit])
  }

  onDroppedLines(count: number): void {
    if (count > 0) this.#metrics.add('ambient_log_lines_dropped_total', count)
  }

  /** An exception of our own that ended one connection. @param scope Of the log line that tells. */
  onFault(scope: string): void {
    this.#metrics.add('ambient_worker_faults_total', 1, [scope])
  }

  onCertificateFetch(result: 'issued' | 'failed'): void {
    this.#metrics.add('ambient_certificate_fetches_total', 1, [result])
  }

  /** Text for a scrape; what is a state and not an event is read now. */
  async scrape(now: ScrapedState): Promise<string> {
    const { registry, svids } = now
    this.#metrics.set('workload_manager_active_proxy_count', registry.pods.size - registry.pending.length)
    this.#metrics.set('workload_manager_pending_proxy_count', registry.pending.length)
    const { started, stopped } = registry.counts
    this.#metrics.add('workload_manager_proxies_started_total', started - this.#pods.started)
    this.#metrics.add('workload_manager_proxies_stopped_total', stopped - this.#pods.stopped)
    this.#pods = { started, stopped }
    const states = svids.entries().map(({ state }) => state.kind)
    for (const kind of CERTIFICATE_STATES)
      this.#metrics.set('ambient_certificates', states.filter((state) => state === kind).length, [kind])
    this.#metrics.set('process_open_fds', readdirSync('/proc/self/fd').length)
    this.#metrics.set('process_max_fds', fileLimit().soft)
    return this.registry.metrics()
  }
}
