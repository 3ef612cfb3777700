import { grpcStatus, type GrpcStatusCode } from '@ambient/grpc'
import { DeltaXdsServer, type DeltaXdsServerOptions, nodeGroup, type ResourceView } from '@ambient/xds'
import type { Caller } from '../auth/caller.ts'
import { type CallerVerifier, credentialsOf, describeAuthError } from '../auth/caller-verifier.ts'
import {
  type AdmissionDeps,
  AdmissionError,
  type AdmissionErrorCode,
  admitClient,
  NODE_PROXY,
} from './admit-client.ts'

export interface XdsDeps extends Pick<
  DeltaXdsServerOptions<Caller>,
  'isSynced' | 'question' | 'clock' | 'logger' | 'onEvent'
> {
  readonly verifier: CallerVerifier
  readonly state: AdmissionDeps
  /** What a client on `node` may see, in the order in which it must be sent. */
  readonly viewsFor: (node: string | undefined) => readonly ResourceView[]
}

const STATUS: Readonly<Record<AdmissionErrorCode, GrpcStatusCode>> = {
  NODE_ID_INVALID: grpcStatus.invalidArgument,
  NODE_NOT_CALLERS: grpcStatus.permissionDenied,
  NODE_UNKNOWN: grpcStatus.unavailable,
}
const DETAIL: Readonly<Record<AdmissionErrorCode, string>> = {
  NODE_ID_INVALID: 'the node id is none',
  NODE_NOT_CALLERS: 'the node is not the caller’s',
  NODE_UNKNOWN: 'the caller’s node is not known yet',
}

/** The xDS server of istiod: it knows its callers and tells each what is for its node. The log says why one is refused. */
export function openXds(deps: XdsDeps): DeltaXdsServer<Caller> {
  const { logger } = deps
  return new DeltaXdsServer<Caller>({
    ...deps,
    authenticate: async (call) => {
      try {
        return { kind: 'accepted', caller: await deps.verifier.verify(credentialsOf(call)) }
      } catch (cause) {
        logger.warn('caller refused', { peer: call.peer, ...describeAuthError(cause) })
        return { kind: 'refused', detail: 'authentication failed' }
      }
    },
    admit: (caller, discovery) => {
      try {
        const { type, node } = admitClient(caller, discovery, deps.state)
        return {
          kind: 'admitted',
          scope: {
            identity: caller.id,
            views: deps.viewsFor(node),
            enforcesPolicies: type === NODE_PROXY,
            ...(node === undefined ? {} : { home: nodeGroup(node) }),
          },
        }
      } catch (cause) {
        if (!(cause instanceof AdmissionError)) throw cause
        const { code, message } = cause
        logger.warn('client refused', { identity: caller.id, reason: code, error: message })
        return { kind: 'refused', code: STATUS[code], detail: DETAIL[code] }
      }
    },
  })
}
