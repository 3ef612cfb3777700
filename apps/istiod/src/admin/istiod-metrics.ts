import type { Clock } from '@ambient/lifecycle'
import { createMetrics, type Metrics } from '@ambient/telemetry'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, WORKLOAD_TYPE, type XdsServerEvent } from '@ambient/xds'
import { Registry } from 'prom-client'
import { CaMetrics } from './ca-metrics.ts'
import type { MeshState } from '../translate/mesh-state.ts'

const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  [ADDRESS_TYPE, 'wds'],
  [WORKLOAD_TYPE, 'wds'],
  [AUTHORIZATION_TYPE, 'wads'],
])

/** Everything istiod counts. */
export class IstiodMetrics {
  readonly #registry = new Registry()
  readonly #metrics: Metrics
  readonly ca: CaMetrics
  readonly #clock: Clock
  readonly #startedMs: number
  readonly #recomputed = new Map<string, number>()
  #clients = 0
  /** When the oldest change came that has not been pushed. */
  #changedAtMs: number | undefined

  constructor(clock: Clock, version: string) {
    this.#metrics = createMetrics(this.#registry, 'istiod')
    this.#clock = clock
    this.ca = new CaMetrics(this.#metrics, clock)
    this.#startedMs = clock.monotonicMs()
    this.#metrics.set('istio_build', 1, ['pilot', version])
  }

  onChange(kind: string, event: string): void {
    this.#changedAtMs ??= this.#clock.monotonicMs()
    this.#metrics.add('pilot_k8s_cfg_events', 1, [kind, event])
  }

  /** What came so far is in the state; its pushes happen before anything else does. */
  onCommitted(): void {
    setImmediate(() => (this.#changedAtMs = undefined))
  }

  onXdsEvent(event: XdsServerEvent): void {
    switch (event.kind) {
      case 'connected':
      case 'disconnected':
        this.#clients += event.kind === 'connected' ? 1 : -1
        return this.#metrics.set('pilot_xds', this.#clients, ['delta'])
      case 'request':
        if (event.outcome === 'nack')
          this.#metrics.add('pilot_total_xds_rejects', 1, [shortName(event.typeUrl)])
        if (event.outcome === 'stale')
          this.#metrics.add('pilot_xds_expired_nonce', 1, [shortName(event.typeUrl)])
        return
      case 'limit':
        return this.#metrics.add('ambient_limit_hits_total', 1, [event.limit])
      case 'push':
        return this.#onPush(event.typeUrl, event.bytes)
    }
  }

  onStatusWrite(result: 'written' | 'failed' | 'given-up'): void {
    this.#metrics.add('ambient_status_writes_total', 1, [result])
  }

  onAddressWrite(result: 'written' | 'failed' | 'given-up'): void {
    this.#metrics.add('ambient_address_writes_total', 1, [result])
  }

  onAddressesExhausted(hosts: number): void {
    this.#metrics.set('ambient_addresses_exhausted', hosts)
  }

  onLeading(lease: string, isLeading: boolean): void {
    this.#metrics.set('ambient_leader', isLeading ? 1 : 0, [lease])
  }

  onFault(): void {
    this.#metrics.add('pilot_total_xds_internal_errors', 1)
  }

  /** The metrics in Prometheus' text form, those that only a look at the state tells included. */
  async render(state: MeshState): Promise<{ readonly type: string; readonly body: string }> {
    this.#metrics.set('istiod_uptime_seconds', (this.#clock.monotonicMs() - this.#startedMs) / 1000)
    this.ca.tick()
    this.#metrics.set('pilot_services', state.inputs.get('Service')?.size ?? 0)
    for (const [name, count] of state.graph.evaluationsByName) {
      const before = this.#recomputed.get(name) ?? 0
      if (count > before) this.#metrics.add('ambient_collection_recomputed_total', count - before, [name])
      this.#recomputed.set(name, count)
    }
    return { type: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  #onPush(typeUrl: string, bytes: number): void {
    const type = shortName(typeUrl)
    this.#metrics.add('pilot_xds_pushes', 1, [type])
    this.#metrics.observe('pilot_xds_config_size_bytes', bytes, [type])
    if (this.#changedAtMs === undefined) return
    this.#metrics.observe(
      'pilot_proxy_convergence_time',
      (this.#clock.monotonicMs() - this.#changedAtMs) / 1000,
    )
  }
}

function shortName(typeUrl: string): string {
  return SHORT_NAMES.get(typeUrl) ?? 'unknown'
}
