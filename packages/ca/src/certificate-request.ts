import { createPublicKey, type KeyObject } from 'node:crypto'
import { Pkcs10CertificateRequest } from '@peculiar/x509'
import { CaError } from './ca-error.ts'
import { caLimits } from './limits.ts'

const MIN_RSA_BITS = 2048
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1']

/** A key to be certified. */
export interface RequestedKey {
  readonly publicKey: CryptoKey
  readonly type: 'ec' | 'rsa' | 'ed25519'
}

/**
 * The public key of a request for a certificate. Everything else in it is ignored: names come from who asked.
 *
 * @param csr PEM, PKCS #10.
 * @throws {CaError} `CSR_INVALID` when it is too large, unreadable, not signed by its own key, or of a key we do not sign.
 */
export async function readRequestedKey(csr: string): Promise<RequestedKey> {
  if (csr.length > caLimits.csrBytes) {
    throw new CaError(
      'CSR_INVALID',
      `Cannot read a request of ${csr.length} bytes: at most ${caLimits.csrBytes}`,
    )
  }
  const request = parse(csr)
  const type = keyType(request)
  if (!(await isSignedByItsKey(request)))
    throw new CaError('CSR_INVALID', 'Cannot sign a request that its own key did not sign')
  return { publicKey: await request.publicKey.export(), type }
}

function parse(csr: string): Pkcs10CertificateRequest {
  try {
    return new Pkcs10CertificateRequest(csr)
  } catch (cause) {
    throw new CaError('CSR_INVALID', 'Cannot read the certificate request', { cause })
  }
}

/** Looked at before the signature is checked: a huge key would make that slow. */
function keyType(request: Pkcs10CertificateRequest): RequestedKey['type'] {
  let key: KeyObject
  try {
    key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' })
  } catch (cause) {
    throw unsupported('a key that cannot be read', cause)
  }
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return 'ed25519'
    case 'ec':
      if (!CURVES.includes(namedCurve)) throw unsupported(`a key on curve ${namedCurve}`)
      return 'ec'
    case 'rsa':
      if (modulusLength < MIN_RSA_BITS || modulusLength > caLimits.maxRsaBits)
        throw unsupported(`an RSA key of ${modulusLength} bits`)
      return 'rsa'
    default:
      throw unsupported(`a key of type ${key.asymmetricKeyType}`)
  }
}

function unsupported(what: string, cause?: unknown): CaError {
  return new CaError(
    'CSR_INVALID',
    `Cannot sign ${what}: RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519 is expected`,
    { cause },
  )
}

async function isSignedByItsKey(request: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify()
  } catch {
    return false // a signature that cannot even be read
  }
}
