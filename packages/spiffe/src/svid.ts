import type { SpiffeId } from './spiffe-id.ts'

/** A certificate that carries a SPIFFE ID, its key, and whom its bearer trusts. Holds a private key: never log or dump it whole. */
export interface Svid {
  readonly id: SpiffeId
  /** Leaf first, then intermediates. */
  readonly certificateChainPem: string
  readonly privateKeyPem: string
  readonly trustBundlePem: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** Half way through its life, when a new one is asked for. */
export function renewAtMs(svid: Pick<Svid, 'notBeforeMs' | 'notAfterMs'>): number {
  return svid.notBeforeMs + (svid.notAfterMs - svid.notBeforeMs) / 2
}
