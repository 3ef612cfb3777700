export const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const
export const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const

/** Sixteen random bytes, positive, as hexadecimal. */
export function newSerialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x01
  return Buffer.from(bytes).toString('hex')
}
