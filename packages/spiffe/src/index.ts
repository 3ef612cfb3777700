export { checkClientPeer, checkServerPeer, type PeerCheck, type PeerRefusal } from './check-peer.ts'
export { type CertificateFacts, isAuthority, readCertificate, splitPem } from './read-certificate.ts'
export { SpiffeError, type SpiffeErrorCode } from './spiffe-error.ts'
export {
  isSpiffeId,
  parseSpiffeId,
  type SpiffeId,
  spiffeId,
  type SpiffeIdParts,
  spiffeParts,
} from './spiffe-id.ts'
export { renewAtMs, type Svid } from './svid.ts'
export { isTrustDomain, parseTrustDomain, type TrustDomain } from './trust-domain.ts'
