import { H2_CODE, type UntouchedCause } from '@ambient/hbone'
import { expect, test } from 'vitest'
import { type NextTry, nextTry } from './next-try.ts'

const lost = (session: Extract<UntouchedCause, { kind: 'session-lost' }>['session']): UntouchedCause => ({
  kind: 'session-lost',
  session,
})

const rows: readonly (readonly [NextTry, UntouchedCause])[] = [
  ['again', { kind: 'not-taken', reason: 'peer refused the stream' }],
  ['elsewhere', { kind: 'refused', status: 503 }],
  ['elsewhere', { kind: 'refused', status: 500 }],
  ['give-up', { kind: 'refused', status: 400 }],
  ['give-up', { kind: 'refused', status: 401 }],
  ['give-up', { kind: 'refused', status: 403 }],
  ['elsewhere', { kind: 'peer-reset', code: H2_CODE.internalError }],
  ['elsewhere', { kind: 'stream-error', code: H2_CODE.protocolError }],
  ['elsewhere', { kind: 'unanswered' }],
  ['elsewhere', lost({ kind: 'connect-failed', errno: 111 })],
  ['elsewhere', lost({ kind: 'handshake-failed', stage: 'tls', because: 'other', reason: 'alert' })],
  ['elsewhere', lost({ kind: 'handshake-failed', stage: 'h2', because: 'timed-out', reason: 'timed out' })],
  ['elsewhere', lost({ kind: 'peer-refused', reason: 'somebody else' })],
  ['elsewhere', lost({ kind: 'protocol-error', code: 1, reason: 'bad frame' })],
  ['again', lost({ kind: 'peer-closed' })],
  ['again', lost({ kind: 'connection-lost', reason: 'ECONNRESET' })],
  ['again', lost({ kind: 'peer-silent' })],
  ['again', lost({ kind: 'peer-deaf' })],
  ['again', lost({ kind: 'drained' })],
  ['give-up', lost({ kind: 'closed', reason: 'the pod left the mesh' })],
  ['give-up', lost({ kind: 'fault', reason: 'a bug' })],
]

test.each(rows)('nextTry() is %s after %o', (expected, cause) => expect(nextTry(cause)).toBe(expected))
