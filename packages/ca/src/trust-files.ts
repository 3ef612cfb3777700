import { join } from 'node:path'
import { makePrivateDirectory, readIfThere, replaceFile } from './state-file.ts'

/** What clients are given to know the control plane by. */
export const ROOT_CERT_FILE = 'root-cert.pem'
/** What node proxies are given to know revoked certificates by. */
export const CRL_FILE = 'ca-crl.pem'

/**
 * Writes what a CA is known by where clients are given it from; whoever reads sees all of the old or all of the new. A
 * revocation list that is not given any more stays: what it revoked is not trusted again by an omission.
 */
export async function writeTrustFiles(
  directory: string,
  { rootsPem, crlPem }: { readonly rootsPem: string; readonly crlPem: string | undefined },
): Promise<void> {
  await makePrivateDirectory(directory)
  for (const [name, text] of [
    [ROOT_CERT_FILE, rootsPem],
    [CRL_FILE, crlPem],
  ] as const) {
    const path = join(directory, name)
    if (text !== undefined && (await readIfThere(path)) !== text) await replaceFile(path, text, 0o644)
  }
}
