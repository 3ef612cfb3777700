import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import {
  ApiResources,
  FileResources,
  inClusterAccess,
  kubeconfigAccess,
  type ResourceSource,
  type ResourceWriter,
  runAsLeader,
} from '@ambient/kube'
import { type Clock, errorText, type Random, Scope } from '@ambient/lifecycle'
import { createMetrics, type HttpAnswer, type Logger, type Metrics, serveHttp } from '@ambient/telemetry'
import { Registry } from 'prom-client'
import type { ControllerConfig } from './config.ts'
import { runWaypointController } from './waypoint-controller.ts'

export interface StartDeps {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly version: string
}

export interface Controller extends AsyncDisposable {
  readonly monitoringPort: number
  /** Settles when the controller can no longer do its work. */
  readonly failed: Promise<never>
}

/** Another replica would have to wait for the lease to expire. */
const GIVE_UP_LEASE_MS = 2000

/**
 * Deploys waypoints while this process is the leader of its revision; others wait, ready to take over.
 *
 * @throws when the directory or the API server's whereabouts cannot be used; the message names it.
 */
export async function startController(config: ControllerConfig, deps: StartDeps): Promise<Controller> {
  const { clock, logger, version } = deps
  const scope = new Scope()
  try {
    const resources = scope.use(await openResources(config, deps))
    const registry = new Registry()
    const metrics = createMetrics(registry, 'waypoint-controller')
    metrics.set('istio_build', 1, ['waypoint-controller', version])
    const monitoring = scope.use(
      await serveHttp(
        { address: config.listenAddress, port: config.monitoringPort },
        routes(registry, version),
        (cause) => logger.error('request failed', { error: errorText(cause) }),
      ),
    )
    const leadership = new AbortController()
    const leading = lead(config, { ...deps, resources, metrics }, leadership.signal)
    const { promise: failed, reject } = Promise.withResolvers<never>()
    failed.catch(() => {}) // for those who do not ask
    leading.catch(reject)
    return {
      monitoringPort: monitoring.port,
      failed,
      [Symbol.asyncDispose]: async () => {
        leadership.abort() // gives the lease up while there is still somebody to give it to
        const waiting = new AbortController()
        const tired = clock.sleep(GIVE_UP_LEASE_MS, waiting.signal).catch(() => {}) // it was over in time
        await Promise.race([leading.catch(() => {}), tired]) // a failure is told by `failed`
        waiting.abort()
        await scope[Symbol.asyncDispose]()
      },
    }
  } catch (cause) {
    await scope[Symbol.asyncDispose]()
    throw cause
  }
}

async function openResources(
  { source, defaults }: ControllerConfig,
  { clock, random, logger, version }: StartDeps,
): Promise<ResourceSource & ResourceWriter & AsyncDisposable> {
  if (source.kind === 'directory')
    return FileResources.open({
      directory: source.directory,
      clock,
      report: ({ file, message }) => logger.warn(message, { file }),
    })
  const { kubeconfig, environment } = source
  return new ApiResources({
    access: kubeconfig === undefined ? inClusterAccess(environment) : await kubeconfigAccess(kubeconfig),
    clock,
    random,
    namespace: defaults.systemNamespace,
    userAgent: `ambient-waypoint-controller/${version}`,
    report: (message) => logger.warn(message, { reason: 'API_SERVER_UNAVAILABLE' }),
  })
}

function routes(registry: Registry, version: string): Readonly<Record<string, () => Promise<HttpAnswer>>> {
  const text =
    (body: string): (() => Promise<HttpAnswer>) =>
    () =>
      Promise.resolve({ status: 200, body })
  return {
    '/ready': text('ready\n'),
    '/version': text(`${version}\n`),
    '/metrics': async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
  }
}

function lead(
  { defaults }: ControllerConfig,
  {
    resources,
    metrics,
    ...deps
  }: StartDeps & { readonly resources: ResourceSource & ResourceWriter; readonly metrics: Metrics },
  signal: AbortSignal,
): Promise<void> {
  const lease = `istio-gateway-deployment-${defaults.revision}`
  return runAsLeader(
    {
      writer: resources,
      clock: deps.clock,
      name: lease,
      holder: `${hostname()}_${randomUUID()}`,
      onChange: (isLeading) => deps.logger.info(isLeading ? 'leads' : 'leads no more', { lease }),
      onFailure: (cause) => deps.logger.warn('cannot ask for the lease', { lease, error: errorText(cause) }),
    },
    (term) =>
      runWaypointController(
        {
          ...deps,
          resources,
          defaults,
          onSettled: (outcome) => metrics.add('ambient_gateways_settled_total', 1, [outcome]),
        },
        term,
      ),
    signal,
  )
}
