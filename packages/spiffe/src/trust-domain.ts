import { SpiffeError } from './spiffe-error.ts'

/** A validated SPIFFE trust domain: 1 to 255 of `a-z 0-9 . - _`, e.g. `cluster.local`. */
export type TrustDomain = string & { readonly __brand: 'TrustDomain' }

export function isTrustDomain(text: string): text is TrustDomain {
  return /^[a-z0-9._-]{1,255}$/.test(text)
}

/** @throws {SpiffeError} `IDENTITY_INVALID`, naming the text that was refused. */
export function parseTrustDomain(text: string): TrustDomain {
  if (!isTrustDomain(text)) throw new SpiffeError('IDENTITY_INVALID', `Cannot parse trust domain "${text}"`)
  return text
}
