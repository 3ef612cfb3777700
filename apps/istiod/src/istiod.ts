import { CertificateIssuer } from '@ambient/ca'
import { FileResources } from '@ambient/kube'
import { type Clock, Scope } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import { DeltaXdsServer } from '@ambient/xds'
import { type HttpEndpoint, serveHttp } from './admin/http-endpoint.ts'
import { IstiodMetrics } from './admin/istiod-metrics.ts'
import { monitoringRoutes } from './admin/monitoring.ts'
import { synczEntry } from './admin/syncz.ts'
import { authenticateStream } from './auth/authenticate-stream.ts'
import { TokenVerifier } from './auth/token-verifier.ts'
import { openIssuer, servingCertificate } from './ca/issuer.ts'
import { registerCa } from './ca/register-ca.ts'
import type { IstiodConfig } from './config.ts'
import { publishResources } from './push/publish-resources.ts'
import { type SecureServer, serveSecure } from './secure-server.ts'
import { hindrance, type StartState } from './start-state.ts'
import { type MeshState, meshState } from './translate/mesh-state.ts'
import { feedMeshState } from './watch/feed-mesh-state.ts'

export interface IstiodDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly version: string
}

export interface Istiod extends AsyncDisposable {
  readonly monitoringPort: number
  readonly httpPort: number
  /** Settles once the state is computed and the secure port is open. */
  readonly serving: Promise<{ readonly securePort: number }>
  /** Settles when istiod can no longer do its work. */
  readonly failed: Promise<never>
}

interface Parts extends IstiodDeps {
  readonly config: IstiodConfig
  readonly scope: Scope
  readonly resources: FileResources
  readonly verifier: TokenVerifier
  readonly issuer: CertificateIssuer
  readonly metrics: IstiodMetrics
  readonly state: MeshState
  readonly xds: DeltaXdsServer
}

/** Progress of one istiod, seen by its readiness probe. */
class Progress {
  state: StartState = { kind: 'starting', reason: 'the configuration has not been read yet' }
  isSynced = false
}

const LOOK_AGAIN_MS = 50

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
        source: parts.resources,
        state: parts.state,
        clock: deps.clock,
        onEvent: (kind, event) => parts.metrics.onChange(kind, event),
        onCommitted: () => parts.metrics.onCommitted(),
        onSynced: () => (progress.isSynced = true),
      },
      scope.signal,
    )
    const { monitoring, http } = await openHttp(parts, progress)
    const serving = serveWhenReady(parts, progress)
    serving.catch(() => {}) // told by `failed` as well
    return {
      monitoringPort: monitoring.port,
      httpPort: http.port,
      serving: serving.then(({ port }) => ({ securePort: port })),
      failed: failureOf(feeding, serving, scope.signal),
      [Symbol.asyncDispose]: async () => {
        progress.state = { kind: 'stopping' }
        await scope[Symbol.asyncDispose]()
      },
    }
  } catch (cause) {
    await scope[Symbol.asyncDispose]()
    throw cause
  }
}
