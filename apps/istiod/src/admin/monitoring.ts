import type { HttpAnswer, HttpRequest, HttpRoute } from '@ambient/telemetry'
import type { Caller } from '../auth/caller.ts'
import { debugIndex, type DebugDeps, runDebugCommand } from '../debug/debug-commands.ts'
import type { DebugViewer } from '../debug/debug-access.ts'

type Routes = Readonly<Record<string, HttpRoute>>

export interface MonitoringDeps {
  readonly version: string
  /** The metrics in Prometheus' text form. */
  readonly metrics: () => Promise<{ readonly type: string; readonly body: string }>
}

/** Metrics and version, for everybody. */
export function monitoringRoutes({ version, metrics }: MonitoringDeps): Routes {
  return {
    '/metrics': async () => ({ status: 200, ...(await metrics()) }),
    '/version': () => ({ status: 200, body: `${version}\n` }),
  }
}

export interface DebugRouteDeps extends DebugDeps {
  readonly verify: (authorization: string | undefined) => Promise<Caller>
}

/** The dumps, for this machine and for callers with a token. */
export function debugRoutes(deps: DebugRouteDeps): Routes {
  return {
    '/debug': async (request) =>
      (await viewerOf(request, deps)) === undefined ? UNKNOWN_CALLER : { status: 200, body: debugIndex() },
    '/debug/': async (request) => {
      const viewer = await viewerOf(request, deps)
      if (viewer === undefined) return UNKNOWN_CALLER
      const answer = await runDebugCommand(request.path.slice('/debug/'.length), request.query, viewer, deps)
      return answer.status === 200
        ? { status: 200, type: 'application/json', body: answer.json }
        : { status: answer.status, body: answer.text }
    },
  }
}

const UNKNOWN_CALLER: HttpAnswer = { status: 401, body: 'send a service account token as bearer\n' }

async function viewerOf(
  { isLoopback, authorization }: HttpRequest,
  { verify }: DebugRouteDeps,
): Promise<DebugViewer | undefined> {
  if (isLoopback) return { kind: 'local' }
  try {
    const { namespace } = await verify(authorization)
    return { kind: 'caller', namespace }
  } catch {
    return undefined // whatever is wrong with it: the caller is told to send a good one
  }
}
