import type { Caller } from '../auth/caller.ts'
import type { HttpAnswer, HttpRequest, HttpRoute } from './http-endpoint.ts'

export interface MonitoringDeps {
  readonly version: string
  readonly rootNamespace: string
  /** The metrics in Prometheus' text form. */
  readonly metrics: () => Promise<{ readonly type: string; readonly body: string }>
  readonly verify: (authorization: string | undefined) => Promise<Caller>
  /** Dumps by name; see `/debug/list`. */
  readonly dumps: Readonly<Record<string, () => unknown>>
}

/** Metrics and version for everybody; dumps for this machine and for callers of the root namespace. */
export function monitoringRoutes(deps: MonitoringDeps): Readonly<Record<string, HttpRoute>> {
  return {
    '/metrics': async () => ({ status: 200, ...(await deps.metrics()) }),
    '/version': () => ({ status: 200, body: `${deps.version}\n` }),
    '/debug/': async (request) =>
      (await refuse(request, deps)) ?? dump(request.path.slice('/debug/'.length), deps),
  }
}

/** @returns undefined when the caller may see everything. */
async function refuse(request: HttpRequest, deps: MonitoringDeps): Promise<HttpAnswer | undefined> {
  if (request.isLoopback) return undefined
  try {
    const { namespace } = await deps.verify(request.authorization)
    return namespace === deps.rootNamespace ? undefined : { status: 403, body: 'not for this namespace\n' }
  } catch {
    return { status: 401, body: 'send a service account token as bearer\n' }
  }
}

function dump(name: string, { dumps }: MonitoringDeps): HttpAnswer {
  if (name === 'list') return json(Object.keys(dumps).map((each) => `/debug/${each}`))
  const make = Object.hasOwn(dumps, name) ? dumps[name] : undefined
  return make === undefined ? { status: 404, body: `no dump "${name}"; see /debug/list\n` } : json(make())
}

function json(value: unknown): HttpAnswer {
  return { status: 200, type: 'application/json', body: `${JSON.stringify(value, undefined, 2)}\n` }
}
