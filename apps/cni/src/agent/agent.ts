import { KubeError, type ResourceSource, type ResourceWriter } from '@ambient/kube'
import { type Clock, type Random, Scope } from '@ambient/lifecycle'
import { createMetrics, type Logger } from '@ambient/telemetry'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Registry } from 'prom-client'
import { openPluginEndpoint } from '../endpoint/plugin-endpoint.ts'
import { Installation, type InstallState } from '../install/installation.ts'
import { observeDaemonSet } from '../install/observe-daemon-set.ts'
import { planShutdown, type Shutdown } from '../install/plan-shutdown.ts'
import { BatchedProbeSet } from '../redirect/batched-probe-set.ts'
import type { HostProbe } from '../redirect/host-probe.ts'
import {
  connectionsOutside,
  listeningPorts,
  ownAddresses,
  podPorts,
  resetConnection,
  tcpTable,
} from '../redirect/pod-connections.ts'
import { type NodeRedirection, tryRedirection } from '../redirect/redirect-backends.ts'
import type { AgentDeps, RedirectionStatus } from './agent-deps.ts'
import type { AgentOptions } from './agent-options.ts'
import { agentStatus, openKept } from './agent-status.ts'
import { createCniActions } from './cni-actions.ts'
import { cniLimits } from './cni-limits.ts'
import { ClusterView } from './cluster-view.ts'
import { createNetnsFinder } from './find-netns.ts'
import { type HttpAnswer, openHttpEndpoint } from './http-endpoint.ts'
import type { MeshPod } from './mesh-pod.ts'
import { MutualTls } from './mutual-tls.ts'
import { openNodeRedirection, removeOtherProbes } from './node-redirection.ts'
import { PodReconciler } from './pod-reconciler.ts'
import { PodRecords } from './pod-records.ts'
import { openSource } from './open-source.ts'
import type { PodView } from './pod-view.ts'
import { createPodActions } from './pod-events.ts'
import { Repairs } from './repairs.ts'
import { watchSandboxes } from './watch-sandboxes.ts'
import { takeOver, type TakeOverDeps } from './take-over.ts'
import { startRuleWatch } from './watch-rules.ts'
import { type HeldPod, ZtunnelLink } from './ztunnel-link.ts'

export interface AgentHost {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly version: string
  /** Where the host's `/proc` is, and what to put before paths of the runtime. */
  readonly procRoot: string
  readonly hostRoot: string
  /** The plugin to be installed. */
  readonly pluginFile: string
}

export interface Agent extends AsyncDisposable {
  readonly healthPort: number
  readonly monitoringPort: number
  /** Rejects when the agent cannot go on. Never resolves. */
  readonly failed: Promise<never>
  /**
   * Before the agent is ended for good: finds out whether this is an uninstallation, and carries it out if so.
   *
   * @throws whatever could not be removed
   */
  shutDown(): Promise<Shutdown>
}

/** Annotations of ours are kept apart from the user's under this name. */
const OWNER = 'istio-ambient-cni'
const STATES = ['pending', 'enrolled', 'draining', 'broken', 'detached'] as const

/**
 * Starts the agent. The plugin's socket comes first, so that the agent's own pod and excluded namespaces never wait; then what
 * an earlier agent left is taken over; only then ztunnel may connect, since its first snapshot must be complete.
 */
export async function startAgent(options: AgentOptions, host: AgentHost): Promise<Agent> {
  const scope = new Scope()
  try {
    return await assemble(options, host, scope)
  } catch (cause) {
    await scope[Symbol.asyncDispose]()
    throw cause
  }
}

async function assemble(options: AgentOptions, host: AgentHost, scope: Scope): Promise<Agent> {
  const { logger } = host
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => {}) // whoever cares awaits it
  const source = await openSource(options, { ...host, scope })
  let reconciler: PodReconciler | undefined
  const { cluster, mutualTls } = openViews(
    options,
    { source, clock: host.clock },
    { logger, reconciler: () => reconciler },
  )
  const registry = new Registry()
  const { deps, redirection } = await makeDeps({
    options,
    host,
    scope,
    cluster,
    mutualTls,
    registry,
    writer: source,
  })
  let installed: Installation | undefined
  const ports = await openEndpoints({
    options,
    deps,
    scope,
    registry,
    reconciler: () => reconciler,
    installation: () => installed?.state,
  })
  const installation = scope.use(startInstallation(options, host, deps)) // now that the plugin would be answered
  installed = installation
  for (const each of [cluster, mutualTls]) void each.run(scope.signal).catch(failure.reject)
  await cluster.wait(() => (cluster.isSynced && mutualTls.isSynced) || undefined, scope.signal)

  await tryRedirection(redirection, options.settings)
  await redirection.probe.ensure()
  const taken = await takeOver(deps)
  await removeOtherProbes(redirection) // after the new set has its addresses: no probe meets a moment without
  const ztunnels = scope.use(
    await openLink(options, deps, taken.held, {
      onLost: failure.reject,
      onChange: () => reconciler?.touchPending(),
    }),
  )
  deps.connect(ztunnels)
  const made = scope.use(new PodReconciler({ ...deps, ztunnels }))
  for (const pod of taken.pods) made.pods.put(pod)
  reconciler = made
  made.start()
  made.resetRefused() // PeerAuthentications may have changed while no agent ran
  const watched = { ...deps, ztunnels, reconciler: made, listeningPorts, probe: redirection.probe }
  if (options.repair.isEnabled) void watchSandboxes(watched, scope.signal).catch(failure.reject)
  const stopWatching = startRuleWatch(watched, scope.signal, failure.reject)
  cluster.notify()
  const running = { installation, probe: redirection.probe, stopWatching }
  return {
    ...ports,
    failed: failure.promise,
    shutDown: () =>
      shutDown(options, host, source, {
        ...running,
        isEnding: cluster.wasEnding,
        heldPods: () => made.pods.all().length,
      }),
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  }
}

function openViews(
  options: AgentOptions,
  { source, clock }: { readonly source: ResourceSource; readonly clock: Clock },
  { logger, reconciler }: { readonly logger: Logger; readonly reconciler: () => PodReconciler | undefined },
): { readonly cluster: ClusterView; readonly mutualTls: MutualTls } {
  const onProblem = (message: string): void => logger.error(message, { reason: 'RESOURCE_INVALID' })
  const cluster = new ClusterView({
    source,
    clock,
    endSignMs: cniLimits.endSignMs,
    nodeName: options.nodeName,
    namespace: options.podNamespace,
    onChange: (uids) => uids.forEach((uid) => reconciler()?.touch(uid)),
    onProblem,
  })
  const mutualTls = new MutualTls({
    source,
    rootNamespace: options.selection.systemNamespace,
    onChange: () => {
      cluster.notify()
      reconciler()?.resetRefused()
    },
    onProblem,
  })
  return { cluster, mutualTls }
}

const LOOK_MS = 100

async function shutDown(
  options: AgentOptions,
  { clock }: AgentHost,
  source: ResourceSource,
  {
    installation,
    probe,
    stopWatching,
    isEnding,
    heldPods,
  }: {
    readonly installation: Installation
    readonly probe: HostProbe
    readonly stopWatching: () => Promise<void>
    readonly isEnding: boolean
    readonly heldPods: () => number
  },
): Promise<Shutdown> {
  const { podNamespace: namespace, nodeName, safeUpgrade, install } = options
  const seen = await observeDaemonSet({ source, namespace, nodeName, clock })
  const shutdown = planShutdown(seen, { safeUpgrade, mode: install.conf.mode, isEnding })
  if (shutdown.kind === 'leave') return shutdown
  // Pods leave in steps, and nobody else would take the last ones.
  const untilMs = clock.monotonicMs() + cniLimits.lastUnenrolMs
  while (isEnding && heldPods() > 0 && clock.monotonicMs() < untilMs) await clock.sleep(LOOK_MS)
  await installation.uninstall()
  await stopWatching() // or it would write again what is taken away now
  await probe.removeAll()
  return shutdown
}

function startInstallation(options: AgentOptions, host: AgentHost, deps: PartialDeps): Installation {
  const { confDirectory, binDirectory, conf } = options.install
  return Installation.start({
    confDirectory,
    binDirectory,
    pluginFile: host.pluginFile,
    settings: conf,
    clock: host.clock,
    logger: host.logger,
    metrics: deps.metrics,
  })
}

interface EndpointsRequest {
  readonly options: AgentOptions
  readonly deps: PartialDeps
  readonly scope: Scope
  readonly registry: Registry
  readonly reconciler: () => PodReconciler | undefined
  readonly installation: () => InstallState | undefined
}

async function openEndpoints(
  request: EndpointsRequest,
): Promise<{ readonly healthPort: number; readonly monitoringPort: number }> {
  const { options, deps, scope, registry, reconciler, installation } = request
  scope.use(
    await openPluginEndpoint({
      path: join(options.runDirectory, 'pluginevent.sock'),
      maxRequestBytes: cniLimits.requestBytes,
      maxConnections: cniLimits.requests,
      actions: createCniActions({ deps, podNamespace: options.podNamespace, reconciler }),
      status: () => agentStatus(options.nodeName, reconciler(), deps),
      onAnswered: (command, answer) => {
        deps.metrics.add('istio_cni_plugin_requests_total', 1, [answer.exit === 0 ? '200' : '500'])
        if (answer.exit !== 0)
          deps.logger.warn('request of the plugin refused', { command, answer: answer.body.trim() })
      },
    }),
  )
  const health = await openHttpEndpoint(options.healthPort, {
    '/healthz': () => ({ status: 200, body: 'ok\n' }),
    '/readyz': () => readiness(reconciler() !== undefined, installation()),
  })
  scope.use(health)
  const monitoring = await openHttpEndpoint(options.monitoringPort, {
    '/metrics': async () => {
      gaugePods(reconciler()?.pods.all() ?? [], deps)
      return { status: 200, type: registry.contentType, body: await registry.metrics() }
    },
  })
  scope.use(monitoring)
  return { healthPort: health.port, monitoringPort: monitoring.port }
}

/** Ready once a pod that is made now would be enrolled: the runtime calls the plugin, and the agent answers it. */
function readiness(hasTakenOver: boolean, install: InstallState | undefined): HttpAnswer {
  if (!hasTakenOver) return { status: 503, body: 'the agent has not yet seen the cluster\n' }
  if (install?.kind === 'installed') return { status: 200, body: 'ok\n' }
  return { status: 503, body: `the plugin is not installed: ${install?.because ?? 'not yet'}\n` }
}

function openLink(
  options: AgentOptions,
  deps: PartialDeps,
  held: readonly HeldPod[],
  on: { readonly onLost: (cause: unknown) => void; readonly onChange: () => void },
): Promise<ZtunnelLink> {
  mkdirSync(dirname(options.zdsSocket), { recursive: true })
  return ZtunnelLink.open({
    socketPath: options.zdsSocket,
    entry: new URL(import.meta.url.endsWith('.ts') ? './zds-thread.ts' : './zds-thread.js', import.meta.url),
    held,
    onResult: (request, { kind }) => deps.metrics.add('ambient_cni_zds_requests_total', 1, [request, kind]),
    onConnections: (count, lost) => {
      deps.metrics.set('ztunnel_connected', count)
      deps.logger.info('ztunnels connected', { count, lost })
      on.onChange()
    },
    onRefused: (uid, error) => deps.logger.warn('ztunnel cannot take a pod yet', { uid, error }),
    onLost: on.onLost,
  })
}

interface DepsRequest {
  readonly options: AgentOptions
  readonly host: AgentHost
  readonly scope: Scope
  readonly cluster: ClusterView
  readonly mutualTls: MutualTls
  readonly registry: Registry
  readonly writer: ResourceWriter
}

interface PartialDeps extends TakeOverDeps, Pick<AgentDeps, 'metrics' | 'annotate' | 'random'> {
  /** Undefined until ztunnel may connect. */
  readonly ztunnels: () => ZtunnelLink | undefined
  readonly connect: (ztunnels: ZtunnelLink) => void
}

async function makeDeps(request: DepsRequest): Promise<{
  readonly deps: PartialDeps
  readonly redirection: NodeRedirection
}> {
  const { options, host, scope, cluster, mutualTls, registry, writer } = request
  const { clock, random, logger, procRoot, hostRoot } = host
  mkdirSync(options.runDirectory, { recursive: true, mode: 0o750 })
  const metrics = createMetrics(registry, 'cni')
  metrics.set('istio_build', 1, ['cni', host.version])
  const redirection = await openNodeRedirection(options, host, scope)
  let connected: ZtunnelLink | undefined
  const deps: PartialDeps = {
    backends: redirection,
    probeSet: new BatchedProbeSet(redirection.probe),
    ztunnels: () => connected,
    connect: (ztunnels) => {
      connected = ztunnels
    },
    finder: createNetnsFinder({ procRoot, hostRoot }),
    cluster,
    records: new PodRecords(join(options.runDirectory, 'pods')),
    selection: options.selection,
    settings: options.settings,
    annotate: (pod, status) => annotate(writer, pod, status),
    repairs: new Repairs(options.repair, {
      actions: createPodActions(writer, clock, OWNER),
      clock,
      logger,
      metrics,
    }),
    connectionsOf: (netns) => ({ table: tcpTable(netns), ownIps: ownAddresses(netns) }),
    outside: {
      list: (netns) => connectionsOutside(netns, { earlier: [], probe: options.settings.probe }),
      ports: podPorts,
      reset: resetConnection,
    },
    mutualTls,
    clock,
    random,
    logger,
    metrics,
  }
  return { deps, redirection }
}

async function annotate(
  writer: ResourceWriter,
  pod: PodView,
  status: RedirectionStatus | undefined,
): Promise<void> {
  try {
    await writer.applyAnnotations(
      pod.ref,
      { 'ambient.istio.io/redirection': status ?? null },
      { owner: OWNER },
    )
  } catch (cause) {
    const isGone =
      cause instanceof KubeError && (cause.code === 'OBJECT_NOT_FOUND' || cause.code === 'OBJECT_REPLACED')
    if (!isGone) throw cause
  }
}

function gaugePods(pods: readonly MeshPod[], deps: Pick<AgentDeps, 'metrics' | 'connectionsOf'>): void {
  for (const state of STATES)
    deps.metrics.set('ambient_cni_pods', pods.filter((pod) => pod.state.kind === state).length, [state])
  deps.metrics.set(
    'ambient_cni_kept_connections',
    pods.reduce((sum, pod) => sum + openKept(pod, deps), 0),
  )
}
