import { systemClock, systemRandom } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import {
  ADDRESS_TYPE,
  AddressDemands,
  AUTHORIZATION_TYPE,
  runXdsClient,
  type XdsEvent,
  type XdsSink,
} from '@ambient/xds'
import type { ControlPlanePeer, ZtunnelConfig } from '../config.ts'
import { peerOptions } from './control-plane-source.ts'
import type { ProxyMetrics } from './proxy-metrics.ts'
import type { WorkerPool } from './worker-pool.ts'

export interface XdsLinkDeps {
  readonly config: ZtunnelConfig
  readonly logger: Logger
  readonly metrics: ProxyMetrics
  readonly workers: WorkerPool
  readonly sink: XdsSink
  /** What has to be known before anything can be decided is known. */
  readonly onSynced: () => void
  readonly signal: AbortSignal
}

/** The stream to the control plane, and what is asked of it by name. */
export class XdsLink {
  readonly #deps: XdsLinkDeps
  readonly #demands: AddressDemands | undefined

  constructor(deps: XdsLinkDeps) {
    this.#deps = deps
    const { config, workers, metrics } = deps
    this.#demands = config.isOnDemand
      ? new AddressDemands({
          onAnswered: (names) => workers.broadcast({ kind: 'addresses-answered', names }),
          onDropped: (names) => workers.broadcast({ kind: 'addresses-dropped', names }),
          onLimit: (limit) => metrics.onLimit(limit),
        })
      : undefined
  }

  /** A byte thread, or we ourselves, have to know what goes by these names. */
  demand(names: readonly string[]): void {
    for (const name of names) this.#demands?.demand(name)
  }

  /** Runs until the signal aborts. */
  async run(peer: ControlPlanePeer): Promise<void> {
    const { config, logger, metrics, sink, onSynced, signal } = this.#deps
    const { podName, podNamespace, instanceIp, nodeName, metadata, clusterId } = config
    // On demand the first answer about addresses may be long in coming, and says nothing.
    const missing = new Set(config.isOnDemand ? [AUTHORIZATION_TYPE] : [ADDRESS_TYPE, AUTHORIZATION_TYPE])
    const options = {
      ...peerOptions(peer, config),
      clusterId,
      clock: systemClock,
      random: systemRandom,
      logger: logger.child('xds::client'),
      node: {
        id: `ztunnel~${instanceIp}~${podName}.${podNamespace}~${podNamespace}.svc.${config.clusterDomain}`,
        metadata: {
          NAME: podName,
          NAMESPACE: podNamespace,
          INSTANCE_IPS: instanceIp,
          NODE_NAME: nodeName,
          ...metadata,
        },
      },
      onEvent: (event: XdsEvent) => {
        metrics.onXds(event)
        if (event.kind === 'synced' && missing.delete(event.typeUrl) && missing.size === 0) onSynced()
      },
      ...(this.#demands && { demands: this.#demands }),
    }
    await runXdsClient(options, sink, signal)
  }
}
