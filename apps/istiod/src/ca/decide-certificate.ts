import type { GrpcCaller } from '@ambient/grpc'
import { CodedError } from '@ambient/lifecycle'
import { parseSpiffeId, type SpiffeId } from '@ambient/spiffe'
import { type CallerVerifier, credentialsOf } from '../auth/caller-verifier.ts'
import { authorizeOnNode, type NodeAuthorizerDeps } from './authorize-on-node.ts'

/** For whom to issue, or why not; the caller is not to be told. */
export type CertificateDecision =
  | { readonly kind: 'issue'; readonly id: SpiffeId }
  | { readonly kind: 'refuse'; readonly code: string; readonly message: string }

/**
 * For whom to issue: for the caller itself, or for an identity on the caller's node.
 *
 * @param impersonated The identity that a node proxy asks for on behalf of a pod.
 */
export async function decideCertificate(
  request: GrpcCaller,
  impersonated: string | undefined,
  deps: {
    readonly verifier: Pick<CallerVerifier, 'verify'>
    readonly nodes: NodeAuthorizerDeps
  },
): Promise<CertificateDecision> {
  try {
    const caller = await deps.verifier.verify(credentialsOf(request))
    if (impersonated === undefined || impersonated === '') return { kind: 'issue', id: caller.id }
    const id = parseSpiffeId(impersonated)
    authorizeOnNode(caller, id, deps.nodes)
    return { kind: 'issue', id }
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause
    return { kind: 'refuse', code: String(cause.code), message: cause.message }
  }
}
