import { NULL, withCString } from '@ambient/linux'
import { takeError } from './failure-reason.ts'
import { ssl } from './openssl.ts'
import { TlsError } from './tls-error.ts'

/** Certificates in OpenSSL's memory, ours to free. */
export interface OwnedCertificates extends Disposable {
  readonly pointers: readonly bigint[]
}

/** A private key in OpenSSL's memory, ours to free. */
export interface OwnedKey extends Disposable {
  readonly pointer: bigint
}

/** Every certificate of a PEM text, in order; none for a text without any. */
export function readCertificates(pem: string): OwnedCertificates {
  const pointers = withBio(pem, (bio) => {
    const found: bigint[] = []
    for (let next = readOne(bio); next !== NULL; next = readOne(bio)) found.push(next)
    return found
  })
  // The end of the text is reported as an error.
  ssl.ERR_clear_error()
  return {
    pointers,
    [Symbol.dispose](): void {
      for (const each of pointers) ssl.X509_free(each)
    },
  }
}

/** @throws {TlsError} `SVID_UNUSABLE` when there is no readable private key. */
export function readPrivateKey(pem: string): OwnedKey {
  const pointer = withBio(pem, (bio) => ssl.PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL))
  if (pointer === NULL) throw new TlsError('SVID_UNUSABLE', `Cannot read private key: ${takeError()}`)
  return { pointer, [Symbol.dispose]: () => ssl.EVP_PKEY_free(pointer) }
}

/** The BIO reads the text in place, so both end together. */
function withBio<T>(pem: string, use: (bio: bigint) => T): T {
  return withCString(pem, (text, length) => {
    const bio = ssl.BIO_new_mem_buf(text, length)
    try {
      return use(bio)
    } finally {
      ssl.BIO_free(bio)
    }
  })
}

function readOne(bio: bigint): bigint {
  return ssl.PEM_read_bio_X509(bio, NULL, NULL, NULL)
}
