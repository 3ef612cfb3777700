import { Arena, NULL } from '@ambient/linux'
import { ssl } from './openssl.ts'
import { uriSans } from './uri-sans.ts'

const cursor = new Arena(8)

/** URI SANs of the peer's leaf. Empty when there is no certificate, or none that can be read: nobody is believed then. */
export function readPeerUris(connection: bigint): readonly string[] {
  const certificate = ssl.SSL_get1_peer_certificate(connection)
  if (certificate === NULL) return []
  try {
    const length = ssl.i2d_X509(certificate, NULL)
    if (length <= 0) return []
    const der = new Arena(length)
    try {
      cursor.view.setBigUint64(0, der.base, true)
      ssl.i2d_X509(certificate, cursor.base)
      return uriSans(der.bytes)
    } finally {
      der.free()
    }
  } catch (cause) {
    if (cause instanceof RangeError) return []
    throw cause
  } finally {
    ssl.X509_free(certificate)
  }
}
