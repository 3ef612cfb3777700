import {
  describeSessionEnd,
  describeTunnelEnd,
  type RelayEnd,
  type SessionEnd,
  type TunnelEnd,
} from '@ambient/hbone'
import { Errno, errnoName, formatAddress, type SocketAddress } from '@ambient/linux'
import { isReasonCode, type ReasonCode } from '@ambient/telemetry'
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
    case 'refused':
    case 'stream-error':
      return failed('HBONE_REFUSED', describeTunnelEnd(end))
    case 'connect-failed':
      return connectFailed(end.errno, to)
    case 'session-lost':
      return sessionOutcome(end.session, to)
    case 'untouched':
      return failed('SESSION_LOST', `${formatAddress(to)}: ${end.reason}`)
  }
}

export function relayOutcome(end: RelayEnd, to: SocketAddress): Outcome {
  return end.kind === 'connect-failed' ? connectFailed(end.errno, to) : COMPLETED
}

function sessionOutcome(end: SessionEnd, to: SocketAddress): Outcome {
  const detail = `${formatAddress(to)}: ${describeSessionEnd(end)}`
  if (end.kind === 'connect-failed' && end.errno === Errno.ETIMEDOUT) {
    return failed(
      'HBONE_TIMEOUT',
      `connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: ${detail}`,
    )
  }
  if (end.kind === 'connect-failed') return failed('CONNECT_FAILED', detail)
  if (end.kind === 'handshake-failed' && end.stage === 'tls')
    return failed('PEER_CERTIFICATE_INVALID', detail)
  if (end.kind === 'peer-refused') {
    // Our own check gave the reason, its code first.
    const [code = '', ...rest] = end.reason.split(': ')
    return isReasonCode(code) ? failed(code, rest.join(': ')) : failed('PEER_IDENTITY_MISMATCH', detail)
  }
  return failed('SESSION_LOST', detail)
}

function connectFailed(errno: number, to: SocketAddress): Outcome {
  if (errno === Errno.ETIMEDOUT)
    return failed('CONNECT_TIMEOUT', `connection timed out: ${formatAddress(to)}`)
  return failed('CONNECT_FAILED', `connect to ${formatAddress(to)}: ${errnoName(errno)}`)
}

function failed(reason: ReasonCode, detail: string): Outcome {
  return { kind: 'failed', reason, detail }
}
