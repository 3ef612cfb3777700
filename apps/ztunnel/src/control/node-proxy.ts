import { Resolver } from 'node:dns/promises'
import { CaClient } from '@ambient/ca-client'
import { errorText, Scope, systemClock, systemRandom } from '@ambient/lifecycle'
import { closeDescriptor, duplicateDescriptor, NetworkNamespace } from '@ambient/linux'
import { limitValues, type Logger } from '@ambient/telemetry'
import type { XdsSink } from '@ambient/xds'
import type { ZtunnelConfig } from '../config.ts'
import { Readiness } from '../admin/readiness.ts'
import type { LocalMesh } from '../local/read-local-mesh.ts'
import { PodRegistry } from '../pods/pod-registry.ts'
import { serveAgent } from '../pods/serve-agent.ts'
import { isOfAgent } from '../pods/zds-messages.ts'
import { type MeshChange, type MeshDelta, MeshSnapshot } from '../state/mesh-snapshot.ts'
import { SvidCache } from '../svid/svid-cache.ts'
import type { PodInfo, PodListeners, WorkerReport } from '../worker/messages.ts'
import { peerOptions } from './control-plane-source.ts'
import { CrlFile } from './crl-file.ts'
import { Handover } from './handover.ts'
import { HOST_LIMITS } from './host-limits.ts'
import { HostResolver } from './host-resolver.ts'
import { IdentityControl } from './identity-control.ts'
import { RecentRefusals } from './recent-refusals.ts'
import { ProxyMetrics } from './proxy-metrics.ts'
import type { ProxyThreads } from './proxy-threads.ts'
import type { WorkerPool } from './worker-pool.ts'
import { XdsLink } from './xds-link.ts'
import type { ZdsLink } from './zds-link.ts'

export interface NodeProxyDeps {
  readonly logger: Logger
  /** Nothing more can be done here: the process ends, and the pods' rules keep their traffic closed meanwhile. */
  readonly onFatal: (cause: unknown) => void
}

export interface OwnPod {
  readonly info: PodInfo
  state: 'pending' | 'up'
}

const RETRY_PENDING_MS = 5000
/** No pod's: those are what Kubernetes makes of them. */
const OWN_UID = 'own'
const NOTHING = { upserts: [], removed: [] }

/** The control side of one node's proxy: it joins the control plane, the CNI agent and the byte threads. */
export class NodeProxy implements AsyncDisposable {
  readonly snapshot: MeshSnapshot = new MeshSnapshot()
  readonly readiness: Readiness
  readonly metrics: ProxyMetrics
  readonly refusals: RecentRefusals = new RecentRefusals()
  readonly registry: PodRegistry
  readonly svids: SvidCache
  readonly workers: WorkerPool
  readonly #config: ZtunnelConfig
  readonly #deps: NodeProxyDeps
  readonly #threads: ProxyThreads
  readonly #identities: IdentityControl
  readonly #xds: XdsLink
  readonly #hosts: HostResolver
  readonly #ownPods = new Map<string, OwnPod>()
  /** Undefined until we join an agent. */
  #handover: Handover | undefined
  readonly #scope = new Scope()

  /** @throws {ConfigError} for revocation lists that cannot be used. */
  constructor(config: ZtunnelConfig, threads: ProxyThreads, deps: NodeProxyDeps) {
    this.#config = config
    this.#deps = deps
    this.readiness = new Readiness([
      'state manager',
      config.dedicatedTo === undefined ? 'workload proxy manager' : 'proxy',
    ])
    this.workers = threads.workers
    this.#threads = threads
    this.metrics = new ProxyMetrics(config.version)
    this.svids = this.#scope.use(openSvids(config, deps.logger, this.metrics))
    this.#identities = new IdentityControl(
      this.svids,
      this.workers,
      config.dedicatedTo === undefined ? config.nodeName : undefined,
    )
    this.#followRevocations()
    this.registry = this.#openRegistry()
    this.#hosts = new HostResolver({
      lookup: new Resolver(),
      clock: systemClock,
      limits: limitValues(HOST_LIMITS),
      onLimit: () => this.metrics.onLimit('hostsInFlight'),
    })
    this.#xds = new XdsLink({
      config,
      logger: deps.logger,
      metrics: this.metrics,
      workers: this.workers,
      sink: this.#sink(),
      onSynced: () => this.#serve(),
      signal: this.#scope.signal,
    })
    threads.onReport = (report) => this.onReport(report)
  }

  /** What we serve in our own network namespace. */
  get ownPods(): ReadonlyMap<string, OwnPod> {
    return this.#ownPods
  }

  /** Joins the control plane; once its first answers are in force, serves. */
  start(localMesh: LocalMesh | undefined): void {
    const { xds } = this.#config
    if (localMesh !== undefined) this.#apply(localMesh.delta)
    if (xds === undefined) return this.#serve()
    this.#xds.run(xds).catch(this.#deps.onFatal)
  }

  onReport(report: WorkerReport): void {
    switch (report.kind) {
      case 'need-identity':
        return this.#identities.needed(report.id)
      case 'need-addresses':
        return this.#xds.demand(report.names)
      case 'need-host':
        return this.#resolveHost(report.hostname)
      case 'traffic':
        return this.metrics.onTraffic(report)
      case 'dns':
        return this.metrics.onDns(report.counts)
      case 'log':
        for (const line of report.lines) {
          this.#deps.logger.line(line)
          this.refusals.note(line, systemClock.nowMs())
          if (line.fields['reason'] === 'WORKER_FAULT') this.metrics.onFault(line.scope)
          if (line.message === 'connection failed')
            this.metrics.onRefused(String(line.fields['direction']), String(line.fields['reason']))
        }
        return this.metrics.onDroppedLines(report.dropped)
      default:
    }
  }

  /** @param filter What is in force from now on, as text. */
  logFilterChanged(filter: string): void {
    this.workers.broadcast({ kind: 'log-filter', filter })
  }

  async drain(): Promise<void> {
    this.#handover?.leave()
    await this.workers.drain()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]()
    await this.workers.close()
  }

  /** Before anything is served: the lists are the byte threads' first command. */
  #followRevocations(): void {
    const { crlPath: path } = this.#config
    if (path === undefined) return
    const onChange = (file: Uint8Array): void => this.workers.broadcast({ kind: 'revocation-lists', file })
    this.#scope.use(new CrlFile({ path, logger: this.#deps.logger.child('crl'), onChange }))
  }

  #resolveHost(hostname: string): void {
    this.#hosts.resolve(hostname).then(
      ({ addresses, ttlMs }) => this.workers.broadcast({ kind: 'host-resolved', hostname, addresses, ttlMs }),
      (cause: unknown) => {
        const detail = errorText(cause)
        this.workers.broadcast({ kind: 'host-failed', hostname, detail })
      },
    )
  }

  #sink(): XdsSink {
    return {
      onAddresses: (addresses) => this.#apply({ addresses, policies: NOTHING }),
      onAuthorizations: (policies) => this.#apply({ addresses: NOTHING, policies }),
    }
  }

  #apply(delta: MeshDelta): void {
    const change = this.snapshot.apply(delta)
    this.workers.replicate(delta)
    this.#identities.changed(change)
    if (this.#config.isOnDemand) this.#xds.demand(this.#unknownServices(change))
  }

  /** The services of our own pods: their ports and names are asked about by whoever comes in. */
  #unknownServices({ workloads }: MeshChange): readonly string[] {
    const own = [...workloads.values()].filter(({ after }) => after?.node === this.#config.nodeName)
    const names = own.flatMap(({ after }) => Object.keys(after?.services ?? {}))
    return names.filter((name) => this.snapshot.service(name) === undefined)
  }

  #openRegistry(): PodRegistry {
    return new PodRegistry({
      start: async (uid, info, netns) => this.#handover?.addPod(uid, info, netns),
      stop: (uid) => this.workers.removePod(uid),
      netnsId: (netns) => {
        using namespace = NetworkNamespace.fromDescriptor(duplicateDescriptor(netns))
        return namespace.isNetwork() ? namespace.id() : undefined
      },
      closeDescriptor,
      onChange: () => {
        if (!this.registry.isReady) return this.readiness.close('workload proxy manager')
        this.#handover?.finish().then(() => {
          if (this.registry.isReady) this.readiness.open('workload proxy manager')
        }, this.#deps.onFatal)
      },
    })
  }

  #serve(): void {
    const { dedicatedTo, ownPod } = this.#config
    this.readiness.open('state manager')
    if (dedicatedTo !== undefined) return this.#serveOwn(dedicatedTo, 'all')
    if (ownPod !== undefined) this.#serveOwn(ownPod, 'hbone')
    if (this.#threads.agent !== undefined) this.#joinAgent(this.#threads.agent)
  }

  #serveOwn(info: PodInfo, listens: PodListeners): void {
    const { onFatal } = this.#deps
    const pod: OwnPod = { info, state: 'pending' }
    this.#ownPods.set(OWN_UID, pod)
    this.workers.addOwn({ uid: OWN_UID, info, listens }).then((error) => {
      if (error !== undefined) return onFatal(new Error(`Cannot serve our own namespace: ${error}`))
      pod.state = 'up'
      this.readiness.open('proxy')
    }, onFatal)
  }

  #joinAgent(link: ZdsLink): void {
    const { registry, workers, metrics } = this
    const { logger, onFatal } = this.#deps
    const handover = new Handover({
      workers,
      logger: logger.child('handover'),
      post: (command) => link.post(command),
      hasCertificate: async (info) => {
        const local = this.snapshot.localWorkload(info)
        return local === undefined || this.#identities.isReady(local.uid)
      },
      onLimit: (name) => metrics.onLimit(name),
    })
    this.#handover = handover
    const serve = serveAgent({
      registry,
      logger: logger.child('inpod'),
      onProtocolError: onFatal,
      answer: (answer) => link.post(answer),
    })
    this.#threads.onAgentReport = (report) => (isOfAgent(report) ? serve(report) : handover.onReport(report))
    this.#scope.use(link)
    link.join()
    const timer = setInterval(() => void registry.retryPending().catch(onFatal), RETRY_PENDING_MS)
    this.#scope.defer(() => clearInterval(timer))
  }
}

function openSvids(config: ZtunnelConfig, logger: Logger, metrics: ProxyMetrics): SvidCache {
  const { ca } = config
  const client =
    ca === undefined
      ? undefined
      : new CaClient({
          ...peerOptions(ca, config),
          clusterId: config.clusterId,
          ttlSeconds: config.secretTtlSeconds,
          isOwnIdentity: config.dedicatedTo !== undefined,
          clock: systemClock,
        })
  return new SvidCache({
    clock: systemClock,
    random: systemRandom,
    log: logger.child('identity'),
    onFetched: (result) => metrics.onCertificateFetch(result),
    fetch: async (id, signal) => {
      if (client === undefined) throw new Error('Cannot fetch a certificate: CA_ADDRESS is empty')
      return client.requestCertificate(id, signal)
    },
  })
}
