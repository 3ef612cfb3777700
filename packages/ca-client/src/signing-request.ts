import { generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { SpiffeId } from '@ambient/spiffe'

export interface NewKey {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

const newPair = promisify(generateKeyPair)

/** A key of P-256, made outside the event loop. */
export function newKey(): Promise<NewKey> {
  return newPair('ec', { namedCurve: 'prime256v1' })
}

const [INTEGER, BIT_STRING, OCTET_STRING, SEQUENCE, SET] = [0x02, 0x03, 0x04, 0x30, 0x31]
const [URI, ATTRIBUTES] = [0x86, 0xa0]
const VERSION = der(INTEGER, Buffer.of(0))
const NO_NAME = der(SEQUENCE)
const EXTENSION_REQUEST = Buffer.from('06092a864886f70d01090e', 'hex')
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex')
const CRITICAL = Buffer.from('0101ff', 'hex')
const ECDSA_WITH_SHA256 = der(SEQUENCE, Buffer.from('06082a8648ce3d040302', 'hex'))

/**
 * A request for a certificate, PEM: no name, and `id` as its only alternative name, which is critical then.
 *
 * @see RFC 2986 4, RFC 5280 4.2.1.6
 */
export function signingRequest(id: SpiffeId, { privateKey, publicKey }: NewKey): string {
  const names = der(SEQUENCE, der(URI, Buffer.from(id, 'ascii')))
  const extension = der(SEQUENCE, SUBJECT_ALT_NAME, CRITICAL, der(OCTET_STRING, names))
  const attribute = der(SEQUENCE, EXTENSION_REQUEST, der(SET, der(SEQUENCE, extension)))
  const key = publicKey.export({ format: 'der', type: 'spki' })
  const signed = der(SEQUENCE, VERSION, NO_NAME, key, der(ATTRIBUTES, attribute))
  const signature = Buffer.concat([Buffer.of(0), sign('sha256', signed, privateKey)])
  return pemOf(der(SEQUENCE, signed, ECDSA_WITH_SHA256, der(BIT_STRING, signature)))
}

/** One element in distinguished encoding. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content])
  const bytes = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, '0'), 'hex')
  return Buffer.concat([Buffer.of(tag, 0x80 | bytes.length), bytes, content])
}

function pemOf(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join('\n')}\n-----END CERTIFICATE REQUEST-----\n`
}
