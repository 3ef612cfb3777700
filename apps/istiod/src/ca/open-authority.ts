import type { IstiodConfig } from '../config.ts'
import type { CertificateAuthority } from './certificate-authority.ts'

/** Not there yet: the CA package has no issuer. */
export function openAuthority(_config: IstiodConfig): Promise<CertificateAuthority> {
  return Promise.reject(new Error('this build has no CA yet'))
}
