import { readCertificate, splitPem } from '@ambient/spiffe'
import type { SvidChange } from './svid-cache.ts'

export interface CertificateDump {
  readonly identity: string
  readonly state: string
  readonly certChain: readonly DumpedCertificate[]
  readonly rootCerts: readonly DumpedCertificate[]
}

export interface DumpedCertificate {
  /** Base64 of the PEM text. */
  readonly pem: string
  readonly serialNumber: string
  readonly validFrom: string
  readonly expirationTime: string
}

/** Certificates in the shape of upstream's configuration dump, sorted by identity. Private keys stay out. */
export function dumpCertificates(entries: readonly SvidChange[]): readonly CertificateDump[] {
  return entries
    .map(dumpEntry)
    .toSorted((a, b) => (a.identity === b.identity ? 0 : a.identity < b.identity ? -1 : 1))
}

function dumpEntry({ id, state }: SvidChange): CertificateDump {
  switch (state.kind) {
    case 'available':
      return {
        identity: id,
        state: 'Available',
        certChain: splitPem(state.svid.certificateChainPem).map(dumpCertificate),
        rootCerts: splitPem(state.svid.trustBundlePem).map(dumpCertificate),
      }
    case 'unavailable':
      return { identity: id, state: `Unavailable: ${state.error}`, certChain: [], rootCerts: [] }
    case 'initializing':
    case 'forgotten':
      return { identity: id, state: 'Initializing', certChain: [], rootCerts: [] }
  }
}

function dumpCertificate(pem: string): DumpedCertificate {
  const { serialNumber, notBeforeMs, notAfterMs } = readCertificate(pem)
  return {
    pem: Buffer.from(pem).toString('base64'),
    serialNumber,
    validFrom: rfc3339Seconds(notBeforeMs),
    expirationTime: rfc3339Seconds(notAfterMs),
  }
}

function rfc3339Seconds(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}
