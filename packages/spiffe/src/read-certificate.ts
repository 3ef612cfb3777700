import { X509Certificate } from 'node:crypto'
import { SpiffeError } from './spiffe-error.ts'

/** What an operator sees of a certificate. */
export interface CertificateFacts {
  readonly uris: readonly string[]
  /** Hexadecimal, upper case. */
  readonly serialNumber: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** Each certificate of a PEM text, in order, as PEM of its own. */
export function splitPem(pem: string): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
}

/**
 * Reads the first certificate of `pem`. Verifies nothing.
 *
 * @throws {SpiffeError} `CERTIFICATE_INVALID` when there is none or it cannot be parsed.
 */
export function readCertificate(pem: string): CertificateFacts {
  const [first] = splitPem(pem)
  if (first === undefined)
    throw new SpiffeError('CERTIFICATE_INVALID', 'Cannot find a PEM certificate in the text')
  try {
    const certificate = new X509Certificate(first)
    return {
      uris: uriNames(certificate.subjectAltName ?? ''),
      serialNumber: certificate.serialNumber,
      notBeforeMs: certificate.validFromDate.getTime(),
      notAfterMs: certificate.validToDate.getTime(),
    }
  } catch (cause) {
    throw new SpiffeError('CERTIFICATE_INVALID', 'Cannot parse certificate', { cause })
  }
}

/** Whether the first certificate of `pem` may issue others. Verifies nothing; false for what is no certificate. */
export function isAuthority(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca
  } catch {
    return false
  }
}

/** Node prints `URI:spiffe://…, DNS:x`, and a value that could be mistaken for more than one as a JSON string. */
function uriNames(subjectAltName: string): readonly string[] {
  const uris: string[] = []
  for (const [, kind, quoted, plain] of subjectAltName.matchAll(
    /([A-Za-z ]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/g,
  )) {
    if (kind !== 'URI') continue
    const value: unknown = quoted === undefined ? plain : JSON.parse(quoted)
    if (typeof value === 'string') uris.push(value)
  }
  return uris
}
