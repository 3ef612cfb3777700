import { createPublicKey, type KeyObject } from 'node:crypto'
import { Pkcs10CertificateRequest } from '@peculiar/x509'
import { CaError } from './ca-error.ts'
import { caLimits } from './limits.ts'

const MIN_RSA_BITS = 2048
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1']

/**
 * The public key of a request for a certificate. Everything else in it is ignored: names come from who asked.
 *
 * @param csr PEM, PKCS #10.
 * @throws {CaError} `CSR_INVALID` when it is too large, unreadable, not signed by its own key, or of a key we do not sign.
 */
export async function readRequestedKey(csr: string): Promise<CryptoKey> {
  if (csr.length > caLimits.csrBytes) {
    throw new CaError(
      'CSR_INVALID',
      `Cannot read a request of ${csr.length} bytes: at most ${caLimits.csrBytes}`,
    )
  }
  const request = parse(csr)
  const problem = keyProblem(request)
  if (problem !== undefined)
    throw new CaError(
      'CSR_INVALID',
      `Cannot sign ${problem}: RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519 is expected`,
    )
  if (!(await isSignedByItsKey(request)))
    throw new CaError('CSR_INVALID', 'Cannot sign a request that its own key did not sign')
  return request.publicKey.export()
}

function parse(csr: string): Pkcs10CertificateRequest {
  try {
    return new Pkcs10CertificateRequest(csr)
  } catch (cause) {
    throw new CaError('CSR_INVALID', 'Cannot read the certificate request', { cause })
  }
}

/** Looked at before the signature is checked: a huge key would make that slow. */
function keyProblem(request: Pkcs10CertificateRequest): string | undefined {
  let key: KeyObject
  try {
    key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' })
  } catch {
    return 'a key that cannot be read'
  }
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return undefined
    case 'ec':
      return CURVES.includes(namedCurve) ? undefined : `a key on curve ${namedCurve}`
    case 'rsa':
      return modulusLength >= MIN_RSA_BITS && modulusLength <= caLimits.maxRsaBits
        ? undefined
        : `an RSA key of ${modulusLength} bits`
    default:
      return `a key of type ${key.asymmetricKeyType}`
  }
}

async function isSignedByItsKey(request: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify()
  } catch {
    return false // a signature that cannot even be read
  }
}
