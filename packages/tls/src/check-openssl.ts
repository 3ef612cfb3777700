import { hasSymbol, openSslSymbols, ssl, textAt } from './openssl.ts'
import { TlsError } from './tls-error.ts'

/**
 * Looks up every symbol this package calls. Call it before the first `TlsContext`.
 *
 * @returns The version, such as `OpenSSL 3.5.8 …`.
 * @throws {TlsError} `OPENSSL_UNUSABLE`, naming what is missing.
 */
export function checkOpenSsl(has: (symbol: string) => boolean = hasSymbol): string {
  const missing = openSslSymbols.filter((symbol) => !has(symbol))
  if (missing.length > 0) {
    throw new TlsError(
      'OPENSSL_UNUSABLE',
      `Cannot use the OpenSSL of this node binary, it lacks ${missing.join(', ')}: run the pinned Node`,
    )
  }
  return textAt(ssl.OpenSSL_version(0))
}
