import type { GrpcCaller } from '@ambient/grpc'
import { checkServerPeer, parseTrustDomain, readCertificate, spiffeParts } from '@ambient/spiffe'
import { AuthError, type Caller } from './caller.ts'
import type { TokenVerifier } from './token-verifier.ts'

/** What a call shows of its caller; HTTP and gRPC have the same. */
export interface Credentials {
  /** DER, its chain already verified. */
  readonly certificate: Uint8Array | undefined
  /** The `authorization` header. */
  readonly authorization: string | undefined
}

/** Makes callers out: by a certificate of the mesh's own CA, or else by a service-account token. */
export class CallerVerifier {
  readonly #tokens: Pick<TokenVerifier, 'verify'>
  readonly #trustDomain: string

  constructor(tokens: Pick<TokenVerifier, 'verify'>, trustDomain: string) {
    this.#tokens = tokens
    this.#trustDomain = trustDomain
  }

  /** @throws {AuthError} with a message that is for our log, not for the caller. */
  async verify({ certificate, authorization }: Credentials): Promise<Caller> {
    return (
      (certificate === undefined ? undefined : this.#bearerOf(certificate)) ??
      (await this.#tokens.verify(authorization))
    )
  }

  /** @returns undefined when it is no SVID of this mesh: a token may still say who calls. */
  #bearerOf(certificate: Uint8Array): Caller | undefined {
    const { uris } = readCertificate(pemOf(certificate))
    const found = checkServerPeer(uris, parseTrustDomain(this.#trustDomain))
    if (found.kind === 'refused') return undefined
    const { namespace, serviceAccount } = spiffeParts(found.id)
    return { id: found.id, namespace, serviceAccount, pod: undefined, node: undefined }
  }
}

export function credentialsOf({ certificate, metadata }: GrpcCaller): Credentials {
  return { certificate, authorization: metadata.get('authorization') }
}

/** What to answer a caller that could not be made out, and what to log. @throws `cause` if it is of another kind. */
export function describeAuthError(cause: unknown): { readonly reason: string; readonly error: string } {
  if (!(cause instanceof AuthError)) throw cause
  return { reason: cause.code, error: cause.message }
}

function pemOf(der: Uint8Array): string {
  return `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`
}
