import { errnoName } from '@ambient/linux'
import { describeSessionEnd, type SessionEnd } from './session-end.ts'

/** How the peer's side of a tunnel came to an end that was no good end. */
export type PeerEnd =
  | { readonly kind: 'peer-reset'; readonly code: number }
  /** The peer broke the rules of this stream: we reset it with this code. */
  | { readonly kind: 'stream-error'; readonly code: number }
  /** A status other than 200, the peer's or ours. */
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'session-lost'; readonly session: SessionEnd }

/** Why a tunnel never began. */
export type UntouchedCause =
  | PeerEnd
  /** The peer never looked at the stream: another session to the same peer may take it. */
  | { readonly kind: 'not-taken'; readonly reason: string }
  /** The peer took the stream and did not answer it in time. */
  | { readonly kind: 'unanswered' }

/** How a tunnel ended; told exactly once. */
export type TunnelEnd =
  | PeerEnd
  | { readonly kind: 'completed' }
  /** The local socket failed: the app reset it, or went away while we wrote. */
  | { readonly kind: 'local-reset'; readonly errno: number }
  /** The app could not be dialled; the peer was answered 503. */
  | { readonly kind: 'connect-failed'; readonly errno: number }
  /** Cut by its owner, for this reason. */
  | { readonly kind: 'aborted'; readonly reason: string }
  /** A client's tunnel ended before the peer's 200, so no byte of the app was read: `fd` is the caller's again. */
  | { readonly kind: 'untouched'; readonly fd: number; readonly cause: UntouchedCause }

/** One line for the log. */
export function describeTunnelEnd(end: TunnelEnd | UntouchedCause): string {
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
    case 'unanswered':
      return 'peer did not answer the request in time'
    case 'aborted':
    case 'not-taken':
      return end.reason
    case 'untouched':
      return describeTunnelEnd(end.cause)
  }
}
