import { type GrpcCaller, GrpcError, type GrpcMethod, grpcStatus, unaryMethod } from '@ambient/grpc'
import type { SpiffeId } from '@ambient/spiffe'
import {
  type CertificateRequest,
  CREATE_CERTIFICATE_PATH,
  decodeCertificateRequest,
  encodeCertificateResponse,
} from '@ambient/xds-proto'
import { CaError, type CaErrorCode } from './ca-error.ts'
import type { CertificateIssuer } from './certificate-issuer.ts'

export interface CaServiceHooks {
  /** For whom to issue, or that the caller may not have it; the caller is told nothing of the reason. */
  readonly authorize: (
    caller: GrpcCaller,
    impersonated: string | undefined,
  ) => Promise<{ readonly kind: 'issue'; readonly id: SpiffeId } | { readonly kind: 'refuse' }>
  readonly onOutcome: (outcome: CaOutcome) => void
}

export type CaOutcome =
  | { readonly kind: 'issued' | 'unauthenticated' }
  /** The request cannot be met; the caller is told why. */
  | { readonly kind: 'refused'; readonly peer: string; readonly cause: CaError }
  /** An error of our own, or a CA that cannot sign; the caller is told only that. */
  | { readonly kind: 'failed'; readonly cause: unknown }

const REQUEST_ERRORS: readonly CaErrorCode[] = ['CSR_INVALID', 'CERTIFICATE_TTL_INVALID']

/** CreateCertificate, to be given to a gRPC server. @see Istio `security/pkg/server/ca/server.go` */
export function caMethods(
  issuer: CertificateIssuer,
  hooks: CaServiceHooks,
): Readonly<Record<string, GrpcMethod>> {
  const createCertificate = unaryMethod(async (bytes, caller) => {
    try {
      const { csr, id, validitySeconds } = await authorised(readRequest(bytes), caller, hooks)
      const certChain = await issuer.sign(csr, id, validitySeconds)
      hooks.onOutcome({ kind: 'issued' })
      return encodeCertificateResponse({ certChain })
    } catch (cause) {
      throw asStatus(cause, caller.peer, hooks)
    }
  })
  return { [CREATE_CERTIFICATE_PATH]: createCertificate }
}

function readRequest(bytes: Buffer): CertificateRequest {
  try {
    return decodeCertificateRequest(bytes)
  } catch (cause) {
    throw new CaError('CSR_INVALID', 'Cannot read the request', { cause })
  }
}

async function authorised(
  { csr, validitySeconds, metadata }: CertificateRequest,
  caller: GrpcCaller,
  hooks: CaServiceHooks,
): Promise<{ readonly csr: string; readonly id: SpiffeId; readonly validitySeconds: number }> {
  const impersonated = metadata['ImpersonatedIdentity']
  const decision = await hooks.authorize(caller, typeof impersonated === 'string' ? impersonated : undefined)
  if (decision.kind === 'refuse')
    throw new GrpcError(grpcStatus.unauthenticated, 'request authenticate failure')
  return { csr, id: decision.id, validitySeconds }
}

function asStatus(cause: unknown, peer: string, { onOutcome }: CaServiceHooks): GrpcError {
  if (cause instanceof GrpcError) {
    onOutcome({ kind: 'unauthenticated' })
    return cause
  }
  if (cause instanceof CaError && REQUEST_ERRORS.includes(cause.code)) {
    onOutcome({ kind: 'refused', peer, cause })
    return new GrpcError(grpcStatus.invalidArgument, cause.message, { cause })
  }
  onOutcome({ kind: 'failed', cause })
  return new GrpcError(grpcStatus.internal, 'cannot sign', { cause })
}
