import { Arena, NULL, withBytes } from '@ambient/linux'
import { takeError } from './failure-reason.ts'
import { countRevocationLists } from './live-objects.ts'
import { ssl } from './openssl.ts'
import { TlsError } from './tls-error.ts'

const PEM_BEGIN = '-----BEGIN X509 CRL-----'
const REVOKED = 1

const out = new Arena(8)

/**
 * Certificate revocation lists: which certificates their issuers have taken back. What no list speaks of is not
 * revoked, and a list is in force beyond its dates, so that one that is late takes nobody out.
 *
 * @see RFC 5280 section 5
 */
export class RevocationLists implements Disposable {
  readonly #lists: readonly bigint[]
  #isFreed = false

  /**
   * @param file PEM with any number of lists, or one list in DER.
   * @throws {TlsError} `CRL_UNUSABLE` when any of it cannot be read: half of the lists would let the other half in.
   */
  constructor(file: Uint8Array) {
    this.#lists = readLists(file)
    countRevocationLists(this.#lists.length)
  }

  get count(): number {
    return this.#lists.length
  }

  /** Whether a certificate of `chain`, leaf first and root last, is revoked by the one after it. */
  revoke(chain: readonly bigint[]): boolean {
    if (this.#isFreed) return false
    return chain.some((certificate, index) => {
      const issuer = chain[index + 1]
      return issuer !== undefined && this.#lists.some((list) => isRevoked(list, certificate, issuer))
    })
  }

  [Symbol.dispose](): void {
    if (this.#isFreed) return
    this.#isFreed = true
    for (const list of this.#lists) ssl.X509_CRL_free(list)
    countRevocationLists(-this.#lists.length)
  }
}

function isRevoked(list: bigint, certificate: bigint, issuer: bigint): boolean {
  if (ssl.X509_NAME_cmp(ssl.X509_CRL_get_issuer(list), ssl.X509_get_issuer_name(certificate)) !== 0)
    return false
  if (ssl.X509_CRL_get0_by_cert(list, out.base, certificate) !== REVOKED) return false
  // Last, because it costs the most: a list with the name of an issuer is nothing without its signature.
  const isGenuine = ssl.X509_CRL_verify(list, ssl.X509_get0_pubkey(issuer)) === 1
  ssl.ERR_clear_error()
  return isGenuine
}

function readLists(file: Uint8Array): readonly bigint[] {
  const expected = Buffer.from(file).toString('latin1').split(PEM_BEGIN).length - 1
  const wanted = Math.max(1, expected)
  // The BIO reads the bytes in place, so both end together.
  const lists = withBytes(file, (bytes, length) => {
    const bio = ssl.BIO_new_mem_buf(bytes, length)
    const found: bigint[] = []
    while (found.length < wanted) {
      const list =
        expected === 0 ? ssl.d2i_X509_CRL_bio(bio, NULL) : ssl.PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)
      if (list === NULL) break
      found.push(list)
    }
    ssl.BIO_free(bio)
    return found
  })
  const error = takeError()
  if (lists.length === wanted) return lists
  for (const list of lists) ssl.X509_CRL_free(list)
  throw new TlsError('CRL_UNUSABLE', `Cannot read revocation list ${lists.length + 1}: ${error}`)
}
