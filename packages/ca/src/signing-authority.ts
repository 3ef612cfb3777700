import 'reflect-metadata'
import { createPrivateKey, X509Certificate as NodeCertificate } from 'node:crypto'
import { KeyUsageFlags, KeyUsagesExtension, X509Certificate } from '@peculiar/x509'
import { splitPem } from '@ambient/spiffe'
import { type SigningAlgorithm, signingAlgorithmOf } from './key-algorithm.ts'

/** What certificates are signed with, and what proves to a peer that it may. */
export interface SigningAuthority {
  readonly certificate: X509Certificate
  readonly key: CryptoKey
  readonly algorithm: SigningAlgorithm
  /** PEM, from the signing certificate to below the root; none if it is a root itself. */
  readonly intermediatesPem: readonly string[]
  /** PEM: everything that peers are to trust. */
  readonly rootsPem: string
  /** PEM: what the CAs above have revoked, if somebody says so. */
  readonly crlPem: string | undefined
  /** No certificate from here is in force outside of this time. */
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** When the first of the roots ends. */
  readonly rootExpiresAtMs: number
}

/** Where the signing authority comes from. */
export interface AuthoritySource {
  /** @throws {CaError} `CA_ROOT_INVALID`, naming the file that cannot be used. */
  open(): Promise<SigningAuthority>
  /**
   * What is in force from now on: `current` itself as long as nothing has changed.
   *
   * @throws {CaError} `CA_ROOT_INVALID`; then `current` stays in force.
   */
  refresh(current: SigningAuthority): Promise<SigningAuthority>
}

/** PEM texts that a signing authority is made from. */
export interface AuthorityFiles {
  readonly certificatePem: string
  readonly keyPem: string
  /** From the signing certificate up; whether it and the root are in it does not matter. */
  readonly chainPem: string
  readonly rootsPem: string
  readonly crlPem?: string | undefined
}

/**
 * Puts an authority together.
 *
 * @throws {Error} when key and certificate do not belong together, it is no CA's, or no chain leads to a root.
 */
export async function signingAuthority(files: AuthorityFiles): Promise<SigningAuthority> {
  const [certificatePem] = splitPem(files.certificatePem)
  if (certificatePem === undefined) throw new Error('there is no signing certificate')
  const signer = new NodeCertificate(certificatePem)
  const certificate = new X509Certificate(certificatePem)
  const privateKey = createPrivateKey(files.keyPem)
  if (!signer.checkPrivateKey(privateKey)) throw new Error('certificate and key do not belong together')
  if (!signer.ca || !maySign(certificate)) throw new Error('the signing certificate is not that of a CA')
  const algorithm = signingAlgorithmOf(privateKey)
  if (algorithm === undefined)
    throw new Error(`keys of type ${privateKey.asymmetricKeyType} are not supported`)
  const roots = distinct([files.rootsPem])
  const path = pathToRoot(signer, distinct([files.chainPem]), roots)
  return {
    certificate,
    key: privateKey.toCryptoKey(algorithm.key, false, ['sign']),
    algorithm,
    intermediatesPem: path.slice(0, -1).map((each) => each.toString()),
    rootsPem: roots.map((each) => each.toString()).join(''),
    crlPem: files.crlPem,
    notBeforeMs: Math.max(...path.map((each) => each.validFromDate.getTime())),
    notAfterMs: Math.min(...path.map((each) => each.validToDate.getTime())),
    rootExpiresAtMs: Math.min(...roots.map((each) => each.validToDate.getTime())),
  }
}

/** Certificates of PEM texts, each once. */
export function distinct(pems: readonly string[]): readonly NodeCertificate[] {
  const byPrint = new Map<string, NodeCertificate>()
  for (const pem of pems.flatMap(splitPem)) {
    const certificate = new NodeCertificate(pem)
    byPrint.set(certificate.fingerprint256, certificate)
  }
  return [...byPrint.values()]
}

/** From the signer to a root, both included. Of several roots that fit, the one that lasts longest. */
function pathToRoot(
  signer: NodeCertificate,
  chain: readonly NodeCertificate[],
  roots: readonly NodeCertificate[],
): readonly NodeCertificate[] {
  const path = [signer]
  for (let last = signer; ;) {
    const own = roots.find((root) => root.fingerprint256 === last.fingerprint256)
    if (own !== undefined) return path
    const fitting = roots.filter((root) => isIssuedBy(last, root))
    const root = fitting.toSorted((a, b) => b.validToDate.getTime() - a.validToDate.getTime())[0]
    if (root !== undefined) return [...path, root]
    const next = chain.find(
      (each) => !path.some((one) => one.fingerprint256 === each.fingerprint256) && isIssuedBy(last, each),
    )
    if (next === undefined)
      throw new Error(`no certificate of the chain or the roots issued "${last.subject}"`)
    path.push(next)
    last = next
  }
}

function isIssuedBy(certificate: NodeCertificate, issuer: NodeCertificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

/** One without key usages may be used for anything. */
function maySign(certificate: X509Certificate): boolean {
  const usages = certificate.getExtension(KeyUsagesExtension)
  return usages === null || (usages.usages & KeyUsageFlags.keyCertSign) !== 0
}
