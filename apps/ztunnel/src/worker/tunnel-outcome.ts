import {
  describeSessionEnd,
  describeTunnelEnd,
  type HandshakeFault,
  type SessionEnd,
  type TunnelEnd,
  type UntouchedCause,
} from '@ambient/hbone'
import { Errno, errnoName, formatAddress, type SocketAddress } from '@ambient/linux'
import { type AccessError, isReasonCode, type ReasonCode } from '@ambient/telemetry'
import type { Outcome } from './connection.ts'

const COMPLETED: Outcome = { kind: 'completed' }

/** What a tunnel's end means to whoever reads the log. A reset by either side is a normal end there, as upstream has it. */
export function tunnelOutcome(end: TunnelEnd, to: SocketAddress): Outcome {
  switch (end.kind) {
    case 'completed':
    case 'local-reset':
    case 'peer-reset':
    case 'aborted':
      return COMPLETED
    case 'connect-failed':
      return connectFailed(end.errno, to)
    case 'refused':
    case 'stream-error':
    case 'session-lost':
      return failed(untouchedError(end, to))
    case 'untouched':
      return failed(untouchedError(end.cause, to))
  }
}

/** Why an upstream could not be had. */
export function untouchedError(cause: UntouchedCause, to: SocketAddress): AccessError {
  switch (cause.kind) {
    case 'session-lost':
      return sessionError(cause.session, to)
    case 'not-taken':
      return { reason: 'SESSION_LOST', detail: `${formatAddress(to)}: ${cause.reason}` }
    case 'unanswered':
      return { reason: 'CONNECT_TIMEOUT', detail: `${formatAddress(to)}: ${describeTunnelEnd(cause)}` }
    case 'refused':
    case 'stream-error':
    case 'peer-reset':
      return { reason: 'HBONE_REFUSED', detail: describeTunnelEnd(cause) }
  }
}

function sessionError(end: SessionEnd, to: SocketAddress): AccessError {
  const detail = `${formatAddress(to)}: ${describeSessionEnd(end)}`
  if (end.kind === 'connect-failed' && end.errno === Errno.ETIMEDOUT) {
    const hint = 'connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008'
    return { reason: 'HBONE_TIMEOUT', detail: `${hint}: ${detail}` }
  }
  if (end.kind === 'peer-refused')
    return ourReason(end.reason) ?? { reason: 'PEER_IDENTITY_MISMATCH', detail }
  const ours = end.kind === 'closed' ? ourReason(end.reason) : undefined
  return ours ?? { reason: sessionReason(end), detail }
}

const TLS_FAULTS: Readonly<Record<HandshakeFault, ReasonCode>> = {
  'certificate-missing': 'PEER_CERTIFICATE_MISSING',
  'certificate-refused': 'PEER_CERTIFICATE_INVALID',
  'timed-out': 'TLS_TIMEOUT',
  other: 'TLS_FAILED',
}

/** The code of a session that ended of itself; what our own check of the peer said has a code of its own. */
export function sessionReason(end: Exclude<SessionEnd, { readonly kind: 'peer-refused' }>): ReasonCode {
  switch (end.kind) {
    case 'connect-failed':
      return 'CONNECT_FAILED'
    case 'handshake-failed':
      return end.stage === 'tls' ? TLS_FAULTS[end.because] : 'H2_FAILED'
    case 'protocol-error':
      return 'H2_FAILED'
    case 'fault':
      return 'WORKER_FAULT'
    case 'closed':
      return 'DRAINED'
    case 'drained':
    case 'peer-silent':
    case 'peer-deaf':
    case 'peer-closed':
    case 'connection-lost':
      return 'SESSION_LOST'
  }
}

/** What we end a session for by ourselves may have the code of its reason first. */
function ourReason(text: string): AccessError | undefined {
  const [code = '', ...rest] = text.split(': ')
  return isReasonCode(code) ? { reason: code, detail: rest.join(': ') } : undefined
}

function connectFailed(errno: number, to: SocketAddress): Outcome {
  return failed(connectError(errno, to))
}

export function connectError(errno: number, to: SocketAddress): AccessError {
  return errno === Errno.ETIMEDOUT
    ? { reason: 'CONNECT_TIMEOUT', detail: `connection timed out: ${formatAddress(to)}` }
    : { reason: 'CONNECT_FAILED', detail: `connect to ${formatAddress(to)}: ${errnoName(errno)}` }
}

function failed(error: AccessError): Outcome {
  return { ...error, kind: 'failed' }
}
