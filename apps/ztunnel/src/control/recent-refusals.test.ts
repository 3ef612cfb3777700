import { accessLine } from '@ambient/telemetry'
import { expect, test } from 'vitest'
import { RecentRefusals } from './recent-refusals.ts'

const line = (n: number, error?: { reason: 'POLICY_DENIED'; detail: string; policy: string }) =>
  accessLine({
    event: 'complete',
    direction: 'inbound',
    src: { addr: `10.0.0.1:${n}` },
    dst: { addr: '10.0.0.2:15008' },
    error,
  })
const denied = { reason: 'POLICY_DENIED', detail: 'explicitly denied', policy: 'shop/deny' } as const

test('list() has what was refused, newest first, with its code and its flag', () => {
  const refusals = new RecentRefusals()
  refusals.note(line(1, denied), 0)
  refusals.note(line(2), 1)
  refusals.note({ level: 'warn', scope: 'identity', message: 'x', fields: { reason: 'CA_UNAVAILABLE' } }, 2)
  refusals.note(line(3, denied), 3)
  expect(refusals.list().map(({ src }) => src)).toEqual(['10.0.0.1:3', '10.0.0.1:1'])
  expect(refusals.list()[1]).toEqual({
    time: '1970-01-01T00:00:00.000Z',
    direction: 'inbound',
    src: '10.0.0.1:1',
    dst: '10.0.0.2:15008',
    reason: 'POLICY_DENIED',
    responseFlags: 'DENY',
    error: 'explicitly denied',
    policy: 'shop/deny',
  })
})

test('list() is bounded: the oldest goes', () => {
  const refusals = new RecentRefusals()
  for (let n = 0; n < 300; n++) refusals.note(line(n, denied), n)
  expect(refusals.list()).toHaveLength(200)
  expect(refusals.list().at(-1)?.src).toBe('10.0.0.1:100')
})
