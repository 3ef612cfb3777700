import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readCertificate, type SpiffeId, splitPem, type Svid } from '@ambient/spiffe'
import { CaClientError } from './ca-client-error.ts'

/**
 * An SVID from what the CA answered.
 *
 * @param certChain PEM: the leaf, each intermediate, and in the last element all roots.
 * @throws {CaClientError} `CERTIFICATE_INVALID` unless the leaf is of `id` and no other, of our key, and in force.
 */
export function svidFromChain(
  id: SpiffeId,
  certChain: readonly string[],
  privateKeyPem: string,
  nowMs: number,
): Svid {
  const roots = certChain.at(-1)
  if (roots === undefined || certChain.length < 2)
    throw unusable(id, `a leaf and roots are expected, not ${certChain.length} element(s)`)
  const chain = certChain.slice(0, -1).flatMap(splitPem)
  const [leaf = ''] = chain
  try {
    const { uris, notBeforeMs, notAfterMs } = readCertificate(leaf)
    if (uris.length !== 1 || uris[0] !== id) throw unusable(id, `it is of ${uris.join(', ') || 'nobody'}`)
    if (!new X509Certificate(leaf).checkPrivateKey(createPrivateKey(privateKeyPem)))
      throw unusable(id, 'it is of another key')
    if (notAfterMs <= nowMs) throw unusable(id, `it ended at ${new Date(notAfterMs).toISOString()}`)
    readCertificate(roots)
    return {
      id,
      certificateChainPem: `${chain.join('\n')}\n`,
      privateKeyPem,
      trustBundlePem: roots,
      notBeforeMs,
      notAfterMs,
    }
  } catch (cause) {
    if (cause instanceof CaClientError) throw cause
    throw unusable(id, 'the answer holds something that is no certificate', cause)
  }
}

function unusable(id: SpiffeId, why: string, cause?: unknown): CaClientError {
  return new CaClientError('CERTIFICATE_INVALID', `Cannot use the certificate for ${id}: ${why}`, { cause })
}
