import { errnoName } from '@ambient/linux'
import { describeSessionEnd, type SessionEnd } from './session-end.ts'

/** How a tunnel ended; told exactly once. */
export type TunnelEnd =
  | { readonly kind: 'completed' }
  /** The local socket failed: the app reset it, or went away while we wrote. */
  | { readonly kind: 'local-reset'; readonly errno: number }
  | { readonly kind: 'peer-reset'; readonly code: number }
  /** The peer broke the rules of this stream: we reset it with this code. */
  | { readonly kind: 'stream-error'; readonly code: number }
  /** A status other than 200, the peer's or ours. */
  | { readonly kind: 'refused'; readonly status: number }
  /** The app could not be dialled; the peer was answered 503. */
  | { readonly kind: 'connect-failed'; readonly errno: number }
  | { readonly kind: 'session-lost'; readonly session: SessionEnd; readonly reason: string }
  /** Cut by its owner, for this reason. */
  | { readonly kind: 'aborted'; readonly reason: string }
  /** The peer never looked at the stream and no byte of the app was read: try elsewhere with the same socket, now the caller's. */
  | { readonly kind: 'untouched'; readonly fd: number; readonly reason: string }

/** One line for the log. */
export function describeTunnelEnd(end: TunnelEnd): string {
  switch (end.kind) {
    case 'completed':
      return 'completed'
    case 'local-reset':
      return `local socket: ${errnoName(end.errno)}`
    case 'peer-reset':
      return `peer reset the stream: code ${end.code}`
    case 'stream-error':
      return `peer broke the stream: code ${end.code}`
    case 'refused':
      return `http status: ${end.status}`
    case 'connect-failed':
      return `connect failed: ${errnoName(end.errno)}`
    case 'session-lost':
      return describeSessionEnd(end.session)
    case 'aborted':
    case 'untouched':
      return end.reason
  }
}
