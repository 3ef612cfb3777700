import type { SessionEnd } from './session-end.ts'

export type SessionState =
  /** A client's TCP handshake. */
  | { readonly kind: 'connecting' }
  /** TLS, then `checkPeer`; streams may already queue. */
  | { readonly kind: 'handshaking' }
  | { readonly kind: 'open' }
  /** `lastStreamId` is `undefined` until the peer has answered our PING. */
  | { readonly kind: 'draining'; readonly lastStreamId: number | undefined }
  | { readonly kind: 'closed'; readonly end: SessionEnd }
