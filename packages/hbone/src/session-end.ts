import { errnoName } from '@ambient/linux'

/** `certificate-…`: the peer's stood in the way. */
export type HandshakeFault = 'certificate-missing' | 'certificate-refused' | 'timed-out' | 'other'

/** Why a session is over. */
export type SessionEnd =
  /** The TCP connection did not come about; `ETIMEDOUT` also when our own time ran out. */
  | { readonly kind: 'connect-failed'; readonly errno: number }
  /** `h2`: TLS was agreed on, but the peer never began to speak HTTP/2. */
  | {
      readonly kind: 'handshake-failed'
      readonly stage: 'tls' | 'h2'
      readonly because: HandshakeFault
      readonly reason: string
    }
  /** `checkPeer` said no, in these words. */
  | { readonly kind: 'peer-refused'; readonly reason: string }
  /** The peer broke the protocol or flooded us: GOAWAY with this code was sent. */
  | { readonly kind: 'protocol-error'; readonly code: number; readonly reason: string }
  | { readonly kind: 'peer-silent' }
  | { readonly kind: 'peer-deaf' }
  | { readonly kind: 'peer-closed' }
  | { readonly kind: 'connection-lost'; readonly reason: string }
  | { readonly kind: 'drained' }
  /** Ended from our side, for this reason. */
  | { readonly kind: 'closed'; readonly reason: string }
  /** An exception of our own. */
  | { readonly kind: 'fault'; readonly reason: string }

/** One line for the log. */
export function describeSessionEnd(end: SessionEnd): string {
  switch (end.kind) {
    case 'connect-failed':
      return `connect failed: ${errnoName(end.errno)}`
    case 'handshake-failed':
      return `${end.stage} handshake failed: ${end.reason}`
    case 'peer-refused':
      return `peer refused: ${end.reason}`
    case 'protocol-error':
      return `protocol error ${end.code}: ${end.reason}`
    case 'peer-silent':
      return 'peer does not answer pings'
    case 'peer-deaf':
      return 'peer does not read its answers'
    case 'peer-closed':
      return 'peer closed the connection'
    case 'connection-lost':
      return `connection lost: ${end.reason}`
    case 'drained':
      return 'drained'
    case 'closed':
      return end.reason
    case 'fault':
      return `internal fault: ${end.reason}`
  }
}
