import { isSpiffeId, type SpiffeId, spiffeParts } from './spiffe-id.ts'
import type { TrustDomain } from './trust-domain.ts'

export type PeerRefusal = 'PEER_CERTIFICATE_INVALID' | 'PEER_IDENTITY_MISMATCH' | 'TRUST_DOMAIN_MISMATCH'

export type PeerCheck =
  | { readonly kind: 'accepted'; readonly id: SpiffeId }
  | { readonly kind: 'refused'; readonly code: PeerRefusal; readonly reason: string }

const SHOWN_URIS = 3

/**
 * What a client asks of the server it dialled, after the chain was verified: one SPIFFE ID, and one that was expected.
 * An empty list of expected IDs accepts nobody.
 *
 * @see ztunnel `src/identity/manager.rs`, `src/tls/workload.rs`; stricter than upstream: exactly one URI SAN (X509-SVID 5.2)
 */
export function checkClientPeer(uris: readonly string[], expectedIds: readonly SpiffeId[]): PeerCheck {
  const found = onlySpiffeId(uris)
  if (found.kind === 'refused' || expectedIds.includes(found.id)) return found
  const expected = expectedIds.length === 0 ? 'none' : shown(expectedIds)
  return {
    kind: 'refused',
    code: 'PEER_IDENTITY_MISMATCH',
    reason: `expected ${expected}, peer is ${found.id}`,
  }
}

/**
 * What a server asks of the client that dialled it, after the chain was verified: one SPIFFE ID of our trust domain.
 * Which namespace and service account may come in is for policy to say.
 */
export function checkServerPeer(uris: readonly string[], trustDomain: TrustDomain): PeerCheck {
  const found = onlySpiffeId(uris)
  if (found.kind === 'refused') return found
  if (spiffeParts(found.id).trustDomain === trustDomain) return found
  return {
    kind: 'refused',
    code: 'TRUST_DOMAIN_MISMATCH',
    reason: `expected trust domain ${trustDomain}, peer is ${found.id}`,
  }
}

function onlySpiffeId(uris: readonly string[]): PeerCheck {
  const [uri] = uris
  if (uri === undefined) return invalid('peer certificate has no URI SAN')
  if (uris.length > 1)
    return invalid(`peer certificate has ${uris.length} URI SANs where an SVID has one: ${shown(uris)}`)
  if (!isSpiffeId(uri)) return invalid(`peer certificate's URI SAN "${uri.slice(0, 300)}" is no SPIFFE ID`)
  return { kind: 'accepted', id: uri }
}

function invalid(reason: string): PeerCheck {
  return { kind: 'refused', code: 'PEER_CERTIFICATE_INVALID', reason }
}

function shown(uris: readonly string[]): string {
  const text = uris
    .slice(0, SHOWN_URIS)
    .map((uri) => uri.slice(0, 300))
    .join(', ')
  return uris.length > SHOWN_URIS ? `${text} and ${uris.length - SHOWN_URIS} more` : text
}
