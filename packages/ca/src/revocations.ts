import 'reflect-metadata'
import { X509Crl } from '@peculiar/x509'
import { caLimits } from './limits.ts'

/**
 * The revocation lists of a PEM text, one below the other, without what stands around them.
 *
 * @throws {Error} when there is none, one cannot be read, or they are too long to be given out.
 */
export function readRevocations(text: string): string {
  const { crlBytes } = caLimits
  if (Buffer.byteLength(text) > crlBytes) throw new Error(`it is longer than ${crlBytes} bytes`)
  const lists = text.match(/-----BEGIN X509 CRL-----[\s\S]*?-----END X509 CRL-----/g) ?? []
  if (lists.length === 0) throw new Error('there is no revocation list in it')
  for (const [index, list] of lists.entries()) {
    try {
      const { issuer } = new X509Crl(list)
      if (issuer === '') throw new Error('nobody has issued it')
    } catch (cause) {
      throw new Error(`revocation list ${index + 1} of ${lists.length} cannot be read`, { cause })
    }
  }
  return lists.map((list) => `${list}\n`).join('')
}
