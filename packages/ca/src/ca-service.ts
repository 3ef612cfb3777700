import { type Metadata, type sendUnaryData, type Server, type ServerUnaryCall, status } from '@grpc/grpc-js'
import type { SpiffeId } from '@ambient/spiffe'
import {
  type CertificateRequest,
  type CertificateResponse,
  CREATE_CERTIFICATE_PATH,
  decodeCertificateRequest,
  decodeCertificateResponse,
  encodeCertificateRequest,
  encodeCertificateResponse,
} from '@ambient/xds-proto'
import { CaError } from './ca-error.ts'
import type { CertificateIssuer } from './certificate-issuer.ts'

export interface CaServiceHooks {
  /** For whom to issue, or that the caller may not have it; the caller is told nothing of the reason. */
  readonly authorize: (call: {
    readonly metadata: Metadata
    readonly peer: string
    readonly impersonated: string | undefined
  }) => Promise<{ readonly kind: 'issue'; readonly id: SpiffeId } | { readonly kind: 'refuse' }>
  readonly onResult: (result: 'issued' | 'unauthenticated' | 'invalid') => void
  /** An error of our own, or a CA that cannot sign; the caller is told only that. */
  readonly onFault: (cause: unknown) => void
}

/** Adds CreateCertificate to a gRPC server. @see Istio `security/pkg/server/ca/server.go` */
export function addCaService(server: Server, issuer: CertificateIssuer, hooks: CaServiceHooks): void {
  server.addService(
    {
      CreateCertificate: {
        path: CREATE_CERTIFICATE_PATH,
        requestStream: false,
        responseStream: false,
        requestSerialize: encodeCertificateRequest,
        requestDeserialize: decodeCertificateRequest,
        responseSerialize: encodeCertificateResponse,
        responseDeserialize: decodeCertificateResponse,
      },
    },
    {
      CreateCertificate: (
        call: ServerUnaryCall<CertificateRequest, CertificateResponse>,
        answer: sendUnaryData<CertificateResponse>,
      ) => {
        createCertificate(call, issuer, hooks).then(
          (response) => answer(null, response),
          (cause: unknown) => answer(asStatus(cause, hooks)),
        )
      },
    },
  )
}

class Unauthenticated extends Error {}

async function createCertificate(
  call: ServerUnaryCall<CertificateRequest, CertificateResponse>,
  issuer: CertificateIssuer,
  hooks: CaServiceHooks,
): Promise<CertificateResponse> {
  const { csr, validitySeconds, metadata } = call.request
  const impersonated = metadata['ImpersonatedIdentity']
  const decision = await hooks.authorize({
    metadata: call.metadata,
    peer: call.getPeer(),
    impersonated: typeof impersonated === 'string' ? impersonated : undefined,
  })
  if (decision.kind === 'refuse') throw new Unauthenticated('request authenticate failure')
  const certChain = await issuer.sign(csr, decision.id, validitySeconds)
  hooks.onResult('issued')
  return { certChain }
}

function asStatus(
  cause: unknown,
  hooks: CaServiceHooks,
): { readonly code: status; readonly details: string } {
  if (cause instanceof Unauthenticated) {
    hooks.onResult('unauthenticated')
    return { code: status.UNAUTHENTICATED, details: cause.message }
  }
  if (cause instanceof CaError && cause.code === 'CSR_INVALID') {
    hooks.onResult('invalid')
    return { code: status.INVALID_ARGUMENT, details: cause.message }
  }
  hooks.onFault(cause)
  return { code: status.INTERNAL, details: 'cannot sign' }
}
