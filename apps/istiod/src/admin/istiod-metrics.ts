import type { Clock } from '@ambient/lifecycle'
import { createMetrics, type Metrics } from '@ambient/telemetry'
import { Registry } from 'prom-client'
import { CaMetrics } from './ca-metrics.ts'
import { EventLoopBlock } from './event-loop-block.ts'
import { MeshCounts } from './mesh-counts.ts'
import { countObjectEvent } from './object-metrics.ts'
import { WebhookMetrics } from './webhook-metrics.ts'
import { XdsMetrics } from './xds-metrics.ts'
import type { MeshState } from '../translate/mesh-state.ts'

/** Everything istiod counts. */
export class IstiodMetrics implements Disposable {
  readonly #registry = new Registry()
  readonly #metrics: Metrics
  readonly ca: CaMetrics
  readonly xds: XdsMetrics
  readonly webhook: WebhookMetrics
  readonly #clock: Clock
  readonly #startedMs: number
  readonly #recomputed = new Map<string, number>()
  readonly #eventLoop = new EventLoopBlock()
  #cpuMicroseconds = 0
  #mesh: { readonly state: MeshState; readonly counts: MeshCounts } | undefined

  constructor(clock: Clock, version: string) {
    this.#metrics = createMetrics(this.#registry, 'istiod')
    this.#clock = clock
    this.ca = new CaMetrics(this.#metrics, clock)
    this.xds = new XdsMetrics(this.#metrics, clock)
    this.webhook = new WebhookMetrics(this.#metrics)
    this.#startedMs = clock.monotonicMs()
    this.#metrics.set('istio_build', 1, ['pilot', version])
    this.#metrics.set('pilot_info', 1, [version])
  }

  [Symbol.dispose](): void {
    this.#eventLoop[Symbol.dispose]()
  }

  /** Counts what is in `state`, which must still be empty. */
  follow(state: MeshState): void {
    const counts = new MeshCounts(state, () => this.#metrics.add('endpoint_no_pod', 1))
    this.#mesh = { state, counts }
  }

  onChange(kind: string, event: 'added' | 'modified' | 'deleted'): void {
    this.xds.onChange()
    countObjectEvent(this.#metrics, kind, event)
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

  /** The mesh's other clusters; our own is read before anything is served. */
  onClusters(ownId: string, others: readonly { readonly id: string; readonly isSynced: boolean }[]): void {
    this.#metrics.set('istiod_managed_clusters', 1, ['local'])
    this.#metrics.set('istiod_managed_clusters', others.length, ['remote'])
    const all = [
      { id: ownId, isSynced: true, type: 'local' },
      ...others.map((each) => ({ ...each, type: 'remote' })),
    ]
    for (const { id, isSynced, type } of all) {
      this.#metrics.set('istiod_remote_cluster_sync_status', isSynced ? 1 : 0, [id, type, 'synced'])
      this.#metrics.set('istiod_remote_cluster_sync_status', isSynced ? 0 : 1, [id, type, 'syncing'])
    }
  }

  onFault(): void {
    this.#metrics.add('pilot_total_xds_internal_errors', 1)
  }

  /** The metrics in Prometheus' text form, those that only a look at the state tells included. */
  async render(): Promise<{ readonly type: string; readonly body: string }> {
    this.#metrics.set('istiod_uptime_seconds', (this.#clock.monotonicMs() - this.#startedMs) / 1000)
    this.#tellOfProcess()
    this.ca.tick()
    this.#tellOfMesh()
    return { type: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  #tellOfMesh(): void {
    if (this.#mesh === undefined) return
    const { state, counts } = this.#mesh
    this.#metrics.set('pilot_services', state.inputs.get('Service')?.size ?? 0)
    this.#metrics.set('pilot_no_ip', counts.podsWithoutAddress)
    this.#metrics.set('pilot_eds_no_instances', counts.servicesWithoutEndpoints)
    for (const [name, count] of state.graph.evaluationsByName) {
      const before = this.#recomputed.get(name) ?? 0
      if (count > before) this.#metrics.add('ambient_collection_recomputed_total', count - before, [name])
      this.#recomputed.set(name, count)
    }
  }

  #tellOfProcess(): void {
    const { user, system } = process.cpuUsage()
    this.#metrics.add('process_cpu_seconds_total', (user + system - this.#cpuMicroseconds) / 1e6)
    this.#cpuMicroseconds = user + system
    this.#metrics.set('process_resident_memory_bytes', process.memoryUsage.rss())
    this.#metrics.set('ambient_event_loop_block_seconds', this.#eventLoop.takeMs() / 1000)
  }
}
