import { join } from 'node:path'
import { makePrivateDirectory, readIfThere, replaceFile } from './state-file.ts'

/** What clients are given to know the control plane by. */
export const ROOT_CERT_FILE = 'root-cert.pem'

/** Writes the roots where clients are given them from; whoever reads sees all of the old ones or all of the new. */
export async function writeRootFile(directory: string, rootsPem: string): Promise<void> {
  await makePrivateDirectory(directory)
  const path = join(directory, ROOT_CERT_FILE)
  if ((await readIfThere(path)) !== rootsPem) await replaceFile(path, rootsPem, 0o644)
}
