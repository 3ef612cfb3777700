import { expect, test } from 'vitest'
import { isReasonCode, reason, reasons } from './reasons.ts'

test.each(Object.entries(reasons))(
  'reasons.%s says in one sentence what happened, and what to do',
  (code, { meaning, action }) => {
    expect(code).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/)
    for (const text of [meaning, action]) {
      expect(text).toMatch(/^[A-Z].*\.$/s)
      expect(text.length).toBeLessThan(200)
    }
    expect(meaning.slice(0, -1)).not.toContain('. ')
  },
)

test('reason() gives upstream’s flags where dashboards look for them', () => {
  const flags = (
    [
      'POLICY_DENIED',
      'POLICY_CHANGED',
      'POLICY_UNKNOWN',
      'HBONE_TIMEOUT',
      'CONNECT_FAILED',
      'IDENTITY_UNAVAILABLE',
      'H2_FAILED',
      'PEER_CERTIFICATE_INVALID',
      'CERTIFICATE_REVOKED',
    ] as const
  ).map((code) => reason(code).flag)
  expect(flags).toEqual([
    'DENY',
    'DENY',
    'DENY',
    'NETWORK_POLICY',
    'CONNECT',
    'IDENTITY_ERROR',
    'H2_HANDSHAKE_FAILURE',
    'TLS_FAILURE',
    'CERT_REVOKED',
  ])
})

test('isReasonCode() knows the codes and nothing else', () => {
  expect([isReasonCode('SELF_CALL'), isReasonCode('toString'), isReasonCode('')]).toEqual([
    true,
    false,
    false,
  ])
})
