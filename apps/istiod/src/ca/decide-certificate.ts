import type { Metadata } from '@grpc/grpc-js'
import { CodedError } from '@ambient/lifecycle'
import { parseSpiffeId, type SpiffeId } from '@ambient/spiffe'
import type { Logger } from '@ambient/telemetry'
import { bearerOf } from '../auth/authenticate-stream.ts'
import type { TokenVerifier } from '../auth/token-verifier.ts'
import { authorizeOnNode, type NodeAuthorizerDeps } from './authorize-on-node.ts'

/** For whom to issue, or that nobody is to be told why not. */
export type CertificateDecision =
  | { readonly kind: 'issue'; readonly id: SpiffeId }
  | { readonly kind: 'refuse' }

export interface CertificateRequestFacts {
  readonly metadata: Metadata
  readonly peer: string
  /** The identity that a node proxy asks for on behalf of a pod. */
  readonly impersonated: string | undefined
}

/** For whom to issue: for the caller itself, or for an identity on the caller's node. Every refusal is logged with its reason. */
export async function decideCertificate(
  request: CertificateRequestFacts,
  deps: {
    readonly verifier: Pick<TokenVerifier, 'verify'>
    readonly nodes: NodeAuthorizerDeps
    readonly logger: Logger
  },
): Promise<CertificateDecision> {
  try {
    const caller = await deps.verifier.verify(bearerOf(request.metadata))
    if (request.impersonated === undefined || request.impersonated === '')
      return { kind: 'issue', id: caller.id }
    const id = parseSpiffeId(request.impersonated)
    authorizeOnNode(caller, id, deps.nodes)
    return { kind: 'issue', id }
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause
    deps.logger.warn('certificate refused', {
      peer: request.peer,
      reason: String(cause.code),
      error: cause.message,
    })
    return { kind: 'refuse' }
  }
}
