import type { Metadata, Server } from '@grpc/grpc-js'
import type { SpiffeId } from '@ambient/spiffe'

/** What istiod asks of its CA. */
export interface CertificateAuthority {
  readonly rootPem: string
  readonly rootExpiresAtMs: number
  /** A certificate for istiod's own secure port, under the CA's root. */
  issueServing(names: ServingNames): Promise<ServingCertificate>
  /** Adds CreateCertificate to a server. */
  register(server: Server, hooks: CertificateHooks): void
}

export interface ServingNames {
  readonly dnsNames: readonly string[]
  readonly ips: readonly string[]
}

export interface ServingCertificate {
  readonly certificateChainPem: string
  readonly privateKeyPem: string
}

export interface CertificateHooks {
  /** For whom to issue, or that the caller may not have it; it is told nothing of the reason. */
  readonly authorize: (call: { readonly metadata: Metadata; readonly peer: string; readonly impersonated: string | undefined }) => Promise<CertificateDecision>
  readonly onResult: (result: 'issued' | 'unauthenticated' | 'invalid') => void
}

export type CertificateDecision = { readonly kind: 'issue'; readonly id: SpiffeId } | { readonly kind: 'refuse' }
