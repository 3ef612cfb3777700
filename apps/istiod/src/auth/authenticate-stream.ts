import type { Metadata } from '@grpc/grpc-js'
import type { Logger } from '@ambient/telemetry'
import type { Authentication } from '@ambient/xds'
import { AuthError } from './caller.ts'
import type { TokenVerifier } from './token-verifier.ts'

/** Who opened an xDS stream. The caller is told only that it was refused; the log says why. */
export async function authenticateStream(
  metadata: Metadata,
  peer: string,
  deps: { readonly verifier: TokenVerifier; readonly logger: Logger },
): Promise<Authentication> {
  try {
    const { id } = await deps.verifier.verify(bearerOf(metadata))
    return { kind: 'accepted', identity: id }
  } catch (cause) {
    if (!(cause instanceof AuthError)) throw cause
    deps.logger.warn('caller refused', { peer, reason: cause.code, error: cause.message })
    return { kind: 'refused', detail: 'authentication failed' }
  }
}

export function bearerOf(metadata: Metadata): string | undefined {
  const [value] = metadata.get('authorization')
  return typeof value === 'string' ? value : undefined
}
