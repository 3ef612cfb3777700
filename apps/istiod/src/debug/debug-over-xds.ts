import {
  GrpcError,
  type GrpcMethod,
  type GrpcServerCall,
  grpcStatus,
  type GrpcStatusCode,
} from '@ambient/grpc'
import type { Clock } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import {
  CLIENT_CONFIG_TYPE,
  type ConfigStatus,
  decodeWorldRequest,
  type DeltaRequest,
  type DeltaResponse,
  encodeClientConfig,
  encodeWorldResponse,
  STREAM_AGGREGATED_PATH,
  type WorldRequest,
  type WorldResponse,
} from '@ambient/xds-proto'
import type { SubscriptionStatus, XdsConnection } from '@ambient/xds'
import type { Caller } from '../auth/caller.ts'
import { type CallerVerifier, credentialsOf, describeAuthError } from '../auth/caller-verifier.ts'
import { type DebugAnswer, type DebugDeps, runDebugCommand } from './debug-commands.ts'

export interface DebugOverXdsDeps extends DebugDeps {
  readonly verifier: CallerVerifier
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>
  readonly logger: Logger
}

/** One with a name: by it clients of deltas tell resources apart. */
type Resource = WorldResponse['resources'][number] & { readonly name: string }

const DEBUG_TYPE = 'istio.io/debug'
const STATUSES: Readonly<Record<Exclude<DebugAnswer['status'], 200>, GrpcStatusCode>> = {
  400: grpcStatus.invalidArgument,
  403: grpcStatus.permissionDenied,
  404: grpcStatus.notFound,
}

/**
 * The dumps over xDS, as istioctl asks for them: type `istio.io/debug` with `NAME?QUERY` for a resource name, or
 * `istio.io/debug/NAME`. The variant without deltas serves nothing else.
 *
 * @see Istio `pilot/pkg/xds/debuggen.go`, `pilot/pkg/xds/statusgen.go`
 */
export function debugMethods(deps: DebugOverXdsDeps): Readonly<Record<string, GrpcMethod>> {
  return {
    [STREAM_AGGREGATED_PATH]: async (call) => {
      const caller = await authenticated(call, deps)
      let count = 0
      for await (const bytes of call.requests()) {
        const request = readRequest(bytes)
        if (request.nonce !== '') continue // an acknowledgement
        const { typeUrl } = request
        const resources = await answer(request, caller.namespace, deps)
        const version = new Date(deps.clock.nowMs()).toISOString()
        await call.send(encodeWorldResponse({ typeUrl, version, nonce: `${version}/${++count}`, resources }))
      }
    },
  }
}

/**
 * The same over deltas: the answer to a request of such a type, which is no subscription.
 *
 * @returns undefined for a request of any other type.
 */
export function debugQuestion(
  { namespace }: Pick<Caller, 'namespace'>,
  { typeUrl, subscribe, nonce }: DeltaRequest,
  deps: DebugDeps,
): Promise<DeltaResponse> | undefined {
  if (!isDebugType(typeUrl)) return undefined
  const version = new Date(deps.clock.nowMs()).toISOString()
  const respond = (resources: readonly Resource[]): DeltaResponse => ({
    typeUrl,
    nonce: version,
    systemVersion: version,
    resources: resources.map((each) => ({ ...each, version, aliases: [] })),
    removed: [],
  })
  if (nonce !== '') return Promise.resolve(respond([])) // an acknowledgement, which nobody answers
  return answer({ typeUrl, names: subscribe }, namespace, deps).then(respond)
}

function isDebugType(typeUrl: string): boolean {
  return typeUrl === DEBUG_TYPE || typeUrl.startsWith(`${DEBUG_TYPE}/`)
}

async function authenticated(call: GrpcServerCall, { verifier, logger }: DebugOverXdsDeps): Promise<Caller> {
  try {
    return await verifier.verify(credentialsOf(call))
  } catch (cause) {
    logger.warn('caller refused', { peer: call.peer, ...describeAuthError(cause) })
    throw new GrpcError(grpcStatus.unauthenticated, 'authentication failed')
  }
}

function readRequest(bytes: Buffer): WorldRequest {
  try {
    return decodeWorldRequest(bytes)
  } catch (cause) {
    throw new GrpcError(grpcStatus.invalidArgument, 'a request that cannot be read', { cause })
  }
}

async function answer(
  { typeUrl, names }: Pick<WorldRequest, 'typeUrl' | 'names'>,
  namespace: string,
  deps: DebugDeps,
): Promise<readonly Resource[]> {
  const [named = ''] = names
  if (!isDebugType(typeUrl))
    throw new GrpcError(grpcStatus.unimplemented, `${typeUrl} is served by DeltaAggregatedResources only`)
  const name = typeUrl === DEBUG_TYPE ? named : typeUrl.slice(DEBUG_TYPE.length + 1)
  const { pathname, searchParams } = new URL(name, 'debug://istiod/')
  if (name === 'config_dump' && typeUrl !== DEBUG_TYPE) searchParams.set('proxyID', named)
  const command = pathname.replace(/^\//, '')
  const dump = await runDebugCommand(command, searchParams, { kind: 'caller', namespace }, deps)
  if (dump.status !== 200) throw new GrpcError(STATUSES[dump.status], dump.text.trim())
  if (typeUrl === `${DEBUG_TYPE}/syncz`) return deps.connections().map(syncResource)
  if (typeUrl === `${DEBUG_TYPE}/config_dump`) return sentTo(named, deps)
  return [{ name: command, typeUrl: DEBUG_TYPE, bytes: Buffer.from(dump.json) }]
}

function syncResource({ node, types }: XdsConnection): Resource {
  const bytes = encodeClientConfig({
    node: { id: node.id, metadata: node.metadata },
    types: Object.entries(types).map(([typeUrl, status]) => ({
      typeUrl,
      status: configStatus(status),
      version: status.acked,
      updatedAtMs: status.sentAtMs,
    })),
  })
  return { name: node.id, typeUrl: CLIENT_CONFIG_TYPE, bytes }
}

function configStatus({ sent, acked, lastError }: SubscriptionStatus): ConfigStatus {
  if (sent === '') return 'not-sent'
  if (lastError !== undefined) return 'error'
  return sent === acked ? 'synced' : 'stale'
}

function sentTo(proxyId: string, { connections }: DebugDeps): readonly Resource[] {
  const proxy = connections().find(({ id }) => id.includes(proxyId))
  return (proxy?.views ?? []).flatMap((view) =>
    proxy?.types[view.typeUrl] === undefined
      ? []
      : [...view.names()].flatMap((name) => {
          const resource = view.get(name)
          return resource === undefined ? [] : [{ name, typeUrl: view.typeUrl, bytes: resource.bytes }]
        }),
  )
}
