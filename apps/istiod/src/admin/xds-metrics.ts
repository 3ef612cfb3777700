import type { Clock } from '@ambient/lifecycle'
import type { Metrics } from '@ambient/telemetry'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, WORKLOAD_TYPE, type XdsServerEvent } from '@ambient/xds'

const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  [ADDRESS_TYPE, 'wds'],
  [WORKLOAD_TYPE, 'wds'],
  [AUTHORIZATION_TYPE, 'wads'],
])

/** What the xDS server counts. */
export class XdsMetrics {
  readonly #metrics: Metrics
  readonly #clock: Pick<Clock, 'monotonicMs'>
  /** Connected clients by the version they say they are. */
  readonly #clients = new Map<string, number>()
  /** When the first change of the batch came that is not in the state yet. */
  #changedAtMs: number | undefined
  /** How long the first change of the last batch waited until it was in the state. */
  #batchMs = 0

  constructor(metrics: Metrics, clock: Pick<Clock, 'monotonicMs'>) {
    this.#metrics = metrics
    this.#clock = clock
  }

  /** An object changed; what follows from it comes with the batch it is in. */
  onChange(): void {
    this.#changedAtMs ??= this.#clock.monotonicMs()
  }

  /** What came so far is in the state. */
  onCommitted(): void {
    if (this.#changedAtMs === undefined) return
    this.#batchMs = this.#clock.monotonicMs() - this.#changedAtMs
    this.#changedAtMs = undefined
    this.#metrics.observe('pilot_debounce_time', this.#batchMs / 1000)
  }

  onEvent(event: XdsServerEvent): void {
    switch (event.kind) {
      case 'connected':
      case 'disconnected':
        return this.#onClient(event.version, event.kind === 'connected' ? 1 : -1)
      case 'request':
        return this.#onRequest(event)
      case 'limit':
        if (event.limit === 'sendMs') this.#metrics.add('pilot_xds_write_timeout', 1)
        return this.#metrics.add('ambient_limit_hits_total', 1, [event.limit])
      case 'push':
        return this.#onPush(event)
      case 'sent':
        return this.#metrics.observe('pilot_xds_send_time', event.tookMs / 1000)
    }
  }

  #onClient(version: string, change: 1 | -1): void {
    const count = (this.#clients.get(version) ?? 0) + change
    this.#clients.set(version, count)
    this.#metrics.set('pilot_xds', count, [version])
  }

  #onRequest({ typeUrl, outcome }: Extract<XdsServerEvent, { kind: 'request' }>): void {
    const type = shortName(typeUrl)
    if (outcome === 'nack') this.#metrics.add('pilot_total_xds_rejects', 1, [type])
    if (outcome === 'stale') this.#metrics.add('pilot_xds_expired_nonce', 1, [type])
    if (outcome === 'subscribed' || outcome === 'changed')
      this.#metrics.add('pilot_push_triggers', 1, ['proxyrequest'])
  }

  #onPush({ typeUrl, bytes, tookMs, waitedMs }: Extract<XdsServerEvent, { kind: 'push' }>): void {
    const type = shortName(typeUrl)
    this.#metrics.add('pilot_xds_pushes', 1, [type])
    this.#metrics.observe('pilot_xds_config_size_bytes', bytes, [type])
    this.#metrics.observe('pilot_xds_push_time', tookMs / 1000, [type])
    if (waitedMs === undefined) return
    this.#metrics.observe('pilot_proxy_queue_time', waitedMs / 1000)
    this.#metrics.observe('pilot_proxy_convergence_time', (this.#batchMs + waitedMs) / 1000)
  }
}

function shortName(typeUrl: string): string {
  return SHORT_NAMES.get(typeUrl) ?? 'unknown'
}
