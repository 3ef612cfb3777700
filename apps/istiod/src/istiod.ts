import type { CertificateIssuer } from '@ambient/ca'
import { GrpcServer } from '@ambient/grpc'
import { type Clock, type Random, Scope } from '@ambient/lifecycle'
import { type HttpAnswer, type HttpEndpoint, type Logger, serveHttp } from '@ambient/telemetry'
import type { DeltaXdsServer } from '@ambient/xds'
import { leadAllocation } from './allocate/lead-allocation.ts'
import { healthMethods } from './admin/health-methods.ts'
import { reflectionMethods } from './admin/reflection-methods.ts'
import { IstiodMetrics } from './admin/istiod-metrics.ts'
import { debugRoutes, monitoringRoutes } from './admin/monitoring.ts'
import type { Caller } from './auth/caller.ts'
import { CallerVerifier } from './auth/caller-verifier.ts'
import { allRoots, anchorsOf } from './ca/trust-anchors.ts'
import { leadRoots } from './ca/lead-roots.ts'
import { caService, openIssuer } from './ca/open-ca.ts'
import { OwnCertificate } from './ca/own-certificate.ts'
import { servingNames } from './ca/serving-names.ts'
import type { IstiodConfig } from './config.ts'
import { describeState, hindrance, type StartState } from './start-state.ts'
import { logConditions, logFault, logMeshConfig, logWarnings } from './log-problem.ts'
import type { DebugDeps } from './debug/debug-commands.ts'
import { debugMethods, debugQuestion } from './debug/debug-over-xds.ts'
import { openXds } from './push/open-xds.ts'
import { type PublishedResources, publishResources } from './push/publish-resources.ts'
import { TrustView } from './push/trust-view.ts'
import { leadStatuses } from './status/lead-statuses.ts'
import type { MeshConfig } from './translate/config/mesh-config.ts'
import { MeshConfigNow } from './translate/config/mesh-config-now.ts'
import { startConfig } from './translate/config/start-config.ts'
import type { MeshOptions } from './translate/mesh-options.ts'
import { type MeshState, meshState } from './translate/mesh-state.ts'
import { openWebhook } from './webhook/open-webhook.ts'
import type { Webhook } from './webhook/serve-webhook.ts'
import { feedMeshState } from './watch/feed-mesh-state.ts'
import { feedRemoteClusters } from './watch/feed-remote-clusters.ts'
import { type MeshSource, openSource } from './watch/open-source.ts'

export interface IstiodDeps {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly version: string
  /** Called before anything is served: what was read and not kept is not to be collected while clients wait. */
  readonly collectGarbage?: () => void
}

export interface Istiod extends AsyncDisposable {
  readonly monitoringPort: number
  readonly httpPort: number
  /** Settles once the state is computed and the secure port is open. */
  readonly serving: Promise<{ readonly securePort: number; readonly webhookPort: number | undefined }>
  /** Settles when istiod can no longer do its work. */
  readonly failed: Promise<never>
}

interface Parts extends IstiodDeps {
  readonly config: IstiodConfig
  readonly scope: Scope
  readonly source: MeshSource
  readonly verifier: CallerVerifier
  readonly issuer: CertificateIssuer
  readonly metrics: IstiodMetrics
  readonly mesh: MeshOptions
  readonly state: MeshState
  readonly meshConfig: MeshConfigNow
  /** The roots of every trust domain, if they are given to proxies. */
  readonly trust: TrustView | undefined
  readonly published: PublishedResources
  /** The other clusters that have been read. */
  readonly syncedClusters: Set<string>
  readonly xds: DeltaXdsServer<Caller>
}

interface Serving {
  readonly server: GrpcServer
  readonly webhook: Webhook | undefined
  readonly own: OwnCertificate
}

/** Progress of one istiod, seen by its readiness probe. */
class Progress {
  state: StartState = { kind: 'starting', reason: 'the configuration has not been read yet' }
  isSynced = false
}

const LOOK_AGAIN_MS = 50
/** Another replica would have to wait for the lease to expire. */
const GIVE_UP_LEASES_MS = 2000

/**
 * Reads the configuration, then opens the ports: the secure one only when everything has been worked out, since a node
 * proxy that is told of an empty mesh drops its traffic.
 *
 * @throws when a directory, the key set or the CA's files cannot be used; the message names it.
 */
export async function startIstiod(config: IstiodConfig, deps: IstiodDeps): Promise<Istiod> {
  const scope = new Scope()
  try {
    const progress = new Progress()
    const parts = await openParts(config, { ...deps, scope }, progress)
    const feeding = feedMeshState(
      {
        source: parts.source.resources,
        state: parts.state,
        namespace: config.namespace,
        clock: deps.clock,
        onEvent: (kind, event) => parts.metrics.onChange(kind, event),
        onCommitted: () => parts.metrics.xds.onCommitted(),
        onSynced: () => (progress.isSynced = true),
      },
      scope.signal,
    )
    const feedingOthers = feedRemoteClusters({
      ...parts,
      onClusterSynced: (id) => {
        parts.syncedClusters.add(id)
        parts.metrics.onClusters(config.clusterId, remoteClusters(parts))
      },
    })
    parts.metrics.onClusters(config.clusterId, remoteClusters(parts))
    const { monitoring, http } = await openHttp(parts, progress)
    const serving = serveWhenReady(parts, progress)
    const leadership = new AbortController()
    const leading = serving.then(() => lead(parts, leadership.signal))
    const following = serving.then(({ server, webhook, own }) =>
      own.follow(
        () => [server, webhook].forEach((each) => each?.setCredentials(own.credentials)),
        scope.signal,
      ),
    )
    return {
      monitoringPort: monitoring.port,
      httpPort: http.port,
      serving: serving.then(({ server, webhook }) => ({
        securePort: server.port,
        webhookPort: webhook?.port,
      })),
      failed: firstFailure([feeding, feedingOthers, serving, leading, following], scope.signal),
      [Symbol.asyncDispose]: async () => {
        const isLeading = progress.state.kind === 'serving'
        progress.state = { kind: 'stopping' }
        leadership.abort() // gives leases up while there is still somebody to give them to
        const over = leading.catch(() => {}) // told by `failed`; here it only has to be over
        if (isLeading) await waitUntilOver(over, deps.clock)
        await scope[Symbol.asyncDispose]()
        await over
      },
    }
  } catch (cause) {
    await scope[Symbol.asyncDispose]()
    throw cause
  }
}

/** Ends its timer with the wait: a timer that is left would keep the process from ending. */
async function waitUntilOver(over: Promise<void>, clock: Pick<Clock, 'sleep'>): Promise<void> {
  const waiting = new AbortController()
  const tired = clock.sleep(GIVE_UP_LEASES_MS, waiting.signal).catch(() => {}) // it was over in time
  await Promise.race([over, tired])
  waiting.abort()
}

async function openParts(
  given: IstiodConfig,
  deps: IstiodDeps & { scope: Scope },
  progress: Progress,
): Promise<Parts> {
  const { clock, logger, version } = deps
  const source = await openSource(given, deps)
  const startedWith = await startConfig(source.resources, given.namespace)
  const config = { ...given, trustDomain: startedWith.trustDomain ?? given.trustDomain }
  const verifier = new CallerVerifier(source.tokens(config.trustDomain), config.trustDomain)
  const metrics = deps.scope.use(new IstiodMetrics(clock, version))
  const mesh = meshOptions(config, startedWith)
  const state = meshState(mesh, (fault) => logFault(logger, fault))
  metrics.follow(state)
  const meshConfig = new MeshConfigNow(state)
  const anchors = (): string =>
    anchorsOf(meshConfig.current, [config.trustDomain, ...meshConfig.current.trustDomainAliases])
  const issuer = await openIssuer(config, clock, { keep: source.keepRoot, anchors })
  const roots = (): readonly string[] => allRoots(meshConfig.current, issuer.rootsPem)
  const trust = config.givesAllRoots ? new TrustView(roots) : undefined
  state.config.onChange(() => trust?.refresh())
  state.warnings.onChange((changes) => changes.forEach((change) => logWarnings(logger, change)))
  state.config.onChange((changes) => changes.forEach((change) => logMeshConfig(logger, change, mesh)))
  state.status.conditions.onChange((changes) => changes.forEach((change) => logConditions(logger, change)))
  const published = publishResources(state, trust === undefined ? [] : [trust.view])
  const parts: Parts = {
    ...deps,
    config,
    source,
    verifier,
    issuer,
    metrics,
    mesh,
    state,
    meshConfig,
    trust,
    published,
    xds: openXds({
      verifier,
      state,
      viewsFor: published.viewsFor,
      question: (caller, request) => debugQuestion(caller, request, debugDeps(parts)),
      isSynced: () => progress.state.kind === 'serving',
      clock,
      logger: logger.child('xds'),
      onEvent: (event) => metrics.xds.onEvent(event),
    }),
    syncedClusters: new Set(),
  }
  return parts
}

function meshOptions(config: IstiodConfig, meshConfig: MeshConfig): MeshOptions {
  const { clusterId, trustDomain, domainSuffix, dryRunPolicies, autoAllowWaypoints, namespace, revision } =
    config
  return {
    clusterId,
    trustDomain,
    domainSuffix,
    dryRunPolicies,
    autoAllowWaypoints,
    revision,
    rootNamespace: meshConfig.rootNamespace ?? namespace,
    systemNamespace: namespace,
    startConfig: meshConfig,
  }
}

async function openHttp(
  parts: Parts,
  progress: Progress,
): Promise<{ readonly monitoring: HttpEndpoint; readonly http: HttpEndpoint }> {
  const { config, scope, metrics, logger } = parts
  const debug = debugRoutes({
    ...debugDeps(parts),
    verify: (authorization) => parts.verifier.verify({ authorization, certificate: undefined }),
  })
  const monitored = monitoringRoutes({ version: parts.version, metrics: () => metrics.render() })
  const onFault = (cause: unknown): void => {
    metrics.onFault()
    logger.error('request failed', { error: String(cause) })
  }
  const address = config.listenAddress
  const monitoring = scope.use(
    await serveHttp({ address, port: config.monitoringPort }, { ...monitored, ...debug }, onFault),
  )
  const ready = (): HttpAnswer =>
    progress.state.kind === 'serving'
      ? { status: 200, body: 'ready\n' }
      : { status: 503, body: `${describeState(progress.state)}\n` }
  const http = scope.use(
    await serveHttp({ address, port: config.httpPort }, { ...debug, '/ready': ready }, onFault),
  )
  return { monitoring, http }
}

function remoteClusters({
  config,
  syncedClusters,
}: Pick<Parts, 'config' | 'syncedClusters'>): ReturnType<DebugDeps['remoteClusters']> {
  return config.remoteClusters.map(({ id }) => ({ id, isSynced: syncedClusters.has(id) }))
}

function debugDeps(parts: Parts): DebugDeps {
  const { config, mesh, state, published, xds, source, clock } = parts

  return {
    fullNamespaces: [config.namespace, ...config.debugNamespaces],
    clusterId: config.clusterId,
    remoteClusters: () => remoteClusters(parts),
    trustDomain: mesh.trustDomain,
    rootNamespace: mesh.rootNamespace,
    systemNamespace: config.namespace,
    state,
    published,
    connections: () => xds.connections(),
    problems: source.problems,
    clock,
  }
}

/** Waits until there is something to serve, then opens the secure port. */
async function serveWhenReady(parts: Parts, progress: Progress): Promise<Serving> {
  const { config, clock, scope, logger, state } = parts
  for (let reason = hindrance(progress.isSynced, parts.source.problems()); reason !== undefined;) {
    progress.state = { kind: 'starting', reason }
    await clock.sleep(LOOK_AGAIN_MS, scope.signal)
    reason = hindrance(progress.isSynced, parts.source.problems())
  }
  const nodes = {
    trustedAccounts: config.trustedNodeAccounts,
    trustDomain: config.trustDomain,
    pods: state.pods,
    podsByAccountAndNode: state.podsByAccountAndNode,
  }
  const own = await openOwnCertificate(parts)
  const served = {
    ...parts.xds.methods,
    ...debugMethods({ ...debugDeps(parts), ...parts, logger: logger.child('debug') }),
    ...caService({ ...parts, nodes, logger: logger.child('ca') }),
  }
  const methods = { ...served, ...healthMethods(Object.keys(served)) }
  parts.collectGarbage?.()
  const server = await GrpcServer.open({
    address: config.listenAddress,
    port: config.securePort,
    credentials: own.credentials,
    methods: { ...methods, ...reflectionMethods(Object.keys(methods)) },
    random: parts.random,
    onFault: (cause) => {
      parts.metrics.onFault()
      logger.error('call failed', { error: String(cause) })
    },
  })
  const webhook = await openWebhook({
    ...parts,
    credentials: own.credentials,
    logger: logger.child('webhook'),
  })
  if (scope.signal.aborted) await server[Symbol.asyncDispose]()
  scope.signal.throwIfAborted()
  progress.state = { kind: 'serving' }
  scope.use(server)
  logger.info('serving', {
    secure: server.port,
    addresses: state.addresses.size,
    policies: state.policies.size,
  })
  return { server, webhook, own }
}

async function openOwnCertificate({
  config,
  issuer,
  metrics,
  trust,
  clock,
  logger,
}: Parts): Promise<OwnCertificate> {
  const onAuthority = (): void => {
    metrics.ca.onAuthority(issuer.expiry)
    trust?.refresh()
  }
  onAuthority()
  return OwnCertificate.open({
    issuer,
    directory: config.stateDirectory,
    names: servingNames(config),
    clock,
    logger: logger.child('ca'),
    onAuthority,
  })
}

/** What only one of all replicas writes: about a state that is whole, so not before it is served. */
async function lead({ config, source, ...parts }: Parts, signal: AbortSignal): Promise<void> {
  const deps = { ...parts, writer: source.resources }
  const { addressRanges: ranges } = config
  await Promise.all([
    config.writesStatus ? leadStatuses({ ...deps, systemNamespace: config.namespace }, signal) : undefined,
    ranges === undefined ? undefined : leadAllocation({ ...deps, ranges }, signal),
    config.source.kind === 'cluster'
      ? leadRoots(
          {
            ...deps,
            systemNamespace: config.namespace,
            webhookName: config.webhookName,
            owners: source.owners,
          },
          signal,
        )
      : undefined,
  ])
}

/** Rejects with the first failure of anything that must not end by itself; never after `signal` has aborted. */
function firstFailure(running: readonly Promise<unknown>[], signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  for (const each of running) each.catch((cause: unknown) => (signal.aborted ? undefined : reject(cause)))
  promise.catch(() => {}) // for those who do not ask
  return promise
}
