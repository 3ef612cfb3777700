import type { KeyObject } from 'node:crypto'

/** What keys of our own are made with. */
export const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const

/** How a key is imported to sign with, and how it signs. */
export interface SigningAlgorithm {
  readonly key: { readonly name: string; readonly namedCurve?: string; readonly hash?: string }
  readonly signature: { readonly name: string; readonly hash?: string }
}

const CURVES: Readonly<Record<string, { readonly namedCurve: string; readonly hash: string }>> = {
  prime256v1: { namedCurve: 'P-256', hash: 'SHA-256' },
  secp384r1: { namedCurve: 'P-384', hash: 'SHA-384' },
  secp521r1: { namedCurve: 'P-521', hash: 'SHA-512' },
}

/** @returns undefined for a key that this CA does not sign with. */
export function signingAlgorithmOf({
  asymmetricKeyType,
  asymmetricKeyDetails,
}: KeyObject): SigningAlgorithm | undefined {
  switch (asymmetricKeyType) {
    case 'ec': {
      const curve = CURVES[asymmetricKeyDetails?.namedCurve ?? '']
      if (curve === undefined) return undefined
      const { namedCurve, hash } = curve
      return { key: { name: 'ECDSA', namedCurve }, signature: { name: 'ECDSA', hash } }
    }
    case 'rsa': {
      const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
      return { key: rsa, signature: rsa }
    }
    case 'ed25519':
      return { key: { name: 'Ed25519' }, signature: { name: 'Ed25519' } }
    default:
      return undefined
  }
}

/** Sixteen random bytes, positive, as hexadecimal. */
export function newSerialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x01
  return Buffer.from(bytes).toString('hex')
}
