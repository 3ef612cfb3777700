export { CaError, type CaErrorCode } from './ca-error.ts'
export { caMethods, type CaOutcome, type CaServiceHooks } from './ca-service.ts'
export {
  type AuthorityExpiry,
  CertificateIssuer,
  type IssuerOptions,
  type ServingCertificate,
} from './certificate-issuer.ts'
export { CA_LIMITS } from './limits.ts'
export { PluggedInSource } from './plugged-in-source.ts'
export { CRL_FILE, ROOT_CERT_FILE, writeTrustFiles } from './trust-files.ts'
export { BUNDLE_FILE, SelfSignedSource } from './self-signed-source.ts'
export type { AuthoritySource } from './signing-authority.ts'
