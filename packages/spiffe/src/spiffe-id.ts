import { SpiffeError } from './spiffe-error.ts'
import { isTrustDomain, parseTrustDomain, type TrustDomain } from './trust-domain.ts'

/** `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT`: the only shape of identity this mesh knows. */
export type SpiffeId = string & { readonly __brand: 'SpiffeId' }

export interface SpiffeIdParts {
  readonly trustDomain: TrustDomain
  readonly namespace: string
  readonly serviceAccount: string
}

const SHAPE = /^spiffe:\/\/([a-z0-9._-]{1,255})\/ns\/([A-Za-z0-9._-]+)\/sa\/([A-Za-z0-9._-]+)$/
const MAX_BYTES = 2048

export function isSpiffeId(text: string): text is SpiffeId {
  return text.length <= MAX_BYTES && SHAPE.test(text) && !/\/(ns|sa)\/\.{1,2}(\/|$)/.test(text)
}

/**
 * @throws {SpiffeError} `IDENTITY_INVALID`, naming the text that was refused.
 * @see SPIFFE-ID.md sections 2.1 to 2.4
 */
export function parseSpiffeId(text: string): SpiffeId {
  if (!isSpiffeId(text))
    throw new SpiffeError('IDENTITY_INVALID', `Cannot parse SPIFFE ID "${text.slice(0, 300)}"`)
  return text
}

/** @throws {SpiffeError} `IDENTITY_INVALID` if a part holds what a SPIFFE ID cannot. */
export function spiffeId(parts: {
  readonly trustDomain: string
  readonly namespace: string
  readonly serviceAccount: string
}): SpiffeId {
  return parseSpiffeId(
    `spiffe://${parseTrustDomain(parts.trustDomain)}/ns/${parts.namespace}/sa/${parts.serviceAccount}`,
  )
}

export function spiffeParts(id: SpiffeId): SpiffeIdParts {
  const [, trustDomain = '', namespace = '', serviceAccount = ''] = SHAPE.exec(id) ?? []
  if (!isTrustDomain(trustDomain))
    throw new SpiffeError('IDENTITY_INVALID', `Cannot take apart SPIFFE ID "${id}"`)
  return { trustDomain, namespace, serviceAccount }
}
