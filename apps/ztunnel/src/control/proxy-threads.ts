import { dirname, join } from 'node:path'
import type { ZtunnelConfig } from '../config.ts'
import type { ZdsThreadReport } from '../pods/zds-messages.ts'
import type { WorkerReport } from '../worker/messages.ts'
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.ts'
import { ZdsLink } from './zds-link.ts'

/** In the directory where the agent listens, which ztunnels on one node have in common. */
const HANDOVER_SOCKET = 'handover.sock'
const SUFFIX = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/**
 * The threads beside the control thread. They are started before it has loaded its own program, so that all load at
 * once; none reports anything before it is told something.
 */
export class ProxyThreads {
  readonly workers: WorkerPool
  /** Undefined where one workload is served, and no agent. */
  readonly agent: ZdsLink | undefined
  onReport: (report: WorkerReport) => void = () => {}
  onAgentReport: (report: ZdsThreadReport) => void = () => {}

  constructor(config: ZtunnelConfig, onLost: (cause: unknown) => void) {
    this.workers = new WorkerPool({
      count: config.workerThreads,
      entry: new URL(`../worker.${SUFFIX}`, import.meta.url),
      settings: workerSettings(config),
      onReport: (report) => this.onReport(report),
      onLost,
    })
    if (config.dedicatedTo !== undefined) return
    this.agent = new ZdsLink({
      socketPath: config.inpodSocket,
      handoverPath: join(dirname(config.inpodSocket), HANDOVER_SOCKET),
      entry: new URL(`../pods/zds-thread.${SUFFIX}`, import.meta.url),
      onReport: (report) => this.onAgentReport(report),
      onLost,
    })
  }
}

/** What the byte threads need of the configuration: a message, so no more than that. */
function workerSettings(config: ZtunnelConfig): WorkerPoolOptions['settings'] {
  const { network, packetMark, ipv6, originalSource, tcp, tunnelLimits, drainMs, clusterId } = config
  const { tunnelsToLoopback, exchangesBaggage, isOnDemand, socks5, logsPolicies, tlsGroups, dns } = config
  const { logFilter } = config
  return {
    network,
    packetMark,
    ipv6,
    originalSource,
    tcp,
    tunnelLimits,
    drainMs,
    clusterId,
    tunnelsToLoopback,
    exchangesBaggage,
    isOnDemand,
    socks5,
    logsPolicies,
    tlsGroups,
    dns,
    logFilter,
  }
}
