import { SubjectAlternativeNameExtension, X509Certificate } from '@peculiar/x509'
import { SpiffeError } from './spiffe-error.ts'

/** What an operator sees of a certificate. */
export interface CertificateFacts {
  readonly uris: readonly string[]
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
  if (first === undefined) throw new SpiffeError('CERTIFICATE_INVALID', 'Cannot find a PEM certificate in the text')
  try {
    const certificate = new X509Certificate(first)
    const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items ?? []
    return {
      uris: names.filter((name) => name.type === 'url').map((name) => name.value),
      serialNumber: certificate.serialNumber,
      notBeforeMs: certificate.notBefore.getTime(),
      notAfterMs: certificate.notAfter.getTime(),
    }
  } catch (cause) {
    throw new SpiffeError('CERTIFICATE_INVALID', 'Cannot parse certificate', { cause })
  }
}
