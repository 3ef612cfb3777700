import { Scope } from '@ambient/lifecycle'
import { type LevelFilter, type Logger, TelemetryError } from '@ambient/telemetry'
import type { ZtunnelConfig } from '../config.ts'
import type { NodeProxy } from '../control/node-proxy.ts'
import type { LocalMesh } from '../local/read-local-mesh.ts'
import { dumpCertificates } from '../svid/dump-certificates.ts'
import { configDump } from './config-dump.ts'
import { OPEN_METRICS_TYPE, toOpenMetrics, wantsOpenMetrics } from './open-metrics.ts'
import { profileRoutes } from './profile-routes.ts'
import { shownConfig } from './shown-config.ts'
import { type Answer, HttpServer, type Route } from './http-server.ts'

export interface AdminDeps {
  readonly proxy: NodeProxy
  readonly config: ZtunnelConfig
  readonly localMesh: LocalMesh | undefined
  readonly filter: LevelFilter
  readonly logger: Logger
  /** Begins the graceful end of the process. */
  readonly stop: () => void
}

const READINESS_PORT = 15021

/** Opens the three operator ports: admin on loopback, statistics and readiness on every address. */
export async function openAdmin(deps: AdminDeps): Promise<Scope> {
  const { proxy, config, logger } = deps
  const scope = new Scope()
  const onError = (path: string, cause: unknown): void =>
    logger.error('admin request failed', { path, error: String(cause) })
  const anywhere = config.ipv6 ? '::' : '0.0.0.0'
  const metrics: Route = {
    method: 'GET',
    answer: async (_query, { headers }) => {
      const text = await proxy.metrics.scrape(proxy)
      return wantsOpenMetrics(headers.accept)
        ? { status: 200, contentType: OPEN_METRICS_TYPE, body: toOpenMetrics(text) }
        : { status: 200, contentType: proxy.metrics.registry.contentType, body: text }
    },
  }
  const readiness: Route = { method: 'GET', answer: () => proxy.readiness.answer() }
  try {
    scope.use(
      await HttpServer.open({
        host: anywhere,
        port: READINESS_PORT,
        onError,
        routes: { '/healthz/ready': readiness },
      }),
    )
    scope.use(
      await HttpServer.open({
        host: anywhere,
        port: config.statsPort,
        onError,
        routes: { '/metrics': metrics, '/stats/prometheus': metrics },
      }),
    )
    scope.use(
      await HttpServer.open({
        host: '127.0.0.1',
        port: config.adminPort,
        onError,
        routes: adminRoutes(deps),
      }),
    )
    return scope
  } catch (cause) {
    await scope[Symbol.asyncDispose]()
    throw cause
  }
}

function adminRoutes(deps: AdminDeps): Readonly<Record<string, Route>> {
  const routes = operatorRoutes(deps)
  return { ...routes, '/': indexRoute(Object.entries(routes)) }
}

function indexRoute(routes: readonly (readonly [path: string, route: Route])[]): Route {
  const items = routes.map(([path, { method }]) => `<li>${method} <a href="${path}">${path}</a></li>\n`)
  const body = `<!doctype html>\n<title>ztunnel</title>\n<ul>\n${items.join('')}</ul>\n`
  return { method: 'GET', answer: () => ({ status: 200, contentType: 'text/html; charset=utf-8', body }) }
}

function operatorRoutes({
  proxy,
  config,
  localMesh,
  filter,
  stop,
}: AdminDeps): Readonly<Record<string, Route>> {
  return {
    '/config_dump': {
      method: 'GET',
      answer: async () => {
        const dump = configDump({
          snapshot: proxy.snapshot,
          pods: [...proxy.registry.pods, ...proxy.ownPods],
          certificates: dumpCertificates(proxy.svids.entries()),
          workers: await proxy.workers.describe(),
          localMesh: localMesh?.source,
          refusals: proxy.refusals.list(),
          config: shownConfig(config),
          version: { version: config.version },
        })
        return { status: 200, contentType: 'application/json', body: `${JSON.stringify(dump, null, 2)}\n` }
      },
    },
    '/logging': {
      method: 'POST',
      answer: (query) => {
        const answer = changeLogging(filter, query)
        proxy.logFilterChanged(filter.toString())
        return answer
      },
    },
    ...profileRoutes((step) => proxy.workers.profile(step)),
    '/quitquitquit': {
      method: 'POST',
      answer: () => {
        stop()
        return { status: 200, body: 'shutdown now\n' }
      },
    },
  }
}

function changeLogging(filter: LevelFilter, query: URLSearchParams): Answer {
  try {
    if (query.has('reset')) filter.reset()
    const level = query.get('level')
    if (level !== null) filter.change(level)
    return { status: 200, body: `current log level is ${filter.toString()}\n` }
  } catch (cause) {
    if (!(cause instanceof TelemetryError)) throw cause
    return {
      status: 400,
      body: `${cause.message}\nusage: POST /logging?level=LEVEL or ?level=SCOPE=LEVEL,SCOPE=LEVEL or ?reset\n`,
    }
  }
}
