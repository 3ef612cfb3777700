import type { RelayEnd, TunnelEnd } from '@ambient/hbone'
import { Errno, errnoName, formatAddress, type SocketAddress } from '@ambient/linux'
import { type ReasonCode, reasons } from '@ambient/telemetry'
import type { Outcome } from './connection.ts'

const COMPLETED: Outcome = { kind: 'completed' }

/** What a tunnel's end means to whoever reads the log. A reset by either side is a normal end there, as upstream has it. */
export function tunnelOutcome(end: TunnelEnd, to: SocketAddress): Outcome {
  switch (end.kind) {
    case 'completed':
    case 'local-reset':
    case 'peer-reset':
    case 'cut':
      return COMPLETED
    case 'refused':
      return failed('HBONE_REFUSED', `http status: ${end.status}`)
    case 'connect-failed':
      return connectFailed(end.errno, to)
    case 'session-lost':
      return sessionLost(end.reason, to)
    case 'untouched':
      return failed('SESSION_LOST', `${formatAddress(to)}: ${end.reason}`)
  }
}

export function relayOutcome(end: RelayEnd, to: SocketAddress): Outcome {
  return end.kind === 'connect-failed' ? connectFailed(end.errno, to) : COMPLETED
}

function connectFailed(errno: number, to: SocketAddress): Outcome {
  if (errno === Errno.ETIMEDOUT) return failed('CONNECT_TIMEOUT', `connection timed out: ${formatAddress(to)}`)
  return failed('CONNECT_FAILED', `connect to ${formatAddress(to)}: ${errnoName(errno)}`)
}

/** A session's reason may begin with one of our codes: it then is the reason. */
function sessionLost(reason: string, to: SocketAddress): Outcome {
  const [code = '', ...rest] = reason.split(': ')
  if (isReasonCode(code)) return failed(code, rest.join(': '))
  if (reason.startsWith('handshake timed out') || reason.includes('ETIMEDOUT')) {
    return failed('HBONE_TIMEOUT', `connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: ${formatAddress(to)}`)
  }
  return failed('SESSION_LOST', `${formatAddress(to)}: ${reason}`)
}

function isReasonCode(text: string): text is ReasonCode {
  return Object.hasOwn(reasons, text)
}

function failed(reason: ReasonCode, detail: string): Outcome {
  return { kind: 'failed', reason, detail }
}
