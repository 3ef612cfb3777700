import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { accessLine, type AccessRecord } from './access-line.ts'
import { formatLogLine } from './log-line.ts'

const AT = Date.parse('2026-03-04T05:06:07.089Z') + 0.25

const record: AccessRecord = {
  event: 'complete',
  direction: 'outbound',
  src: {
    addr: '10.0.0.1:40000',
    workload: 'client-1',
    namespace: 'shop',
    identity: 'spiffe://cluster.local/ns/shop/sa/client',
  },
  dst: {
    addr: '10.0.0.2:15008',
    hboneAddr: '10.0.0.2:8080',
    service: 'web.shop.svc.cluster.local',
    workload: 'web-1',
    namespace: 'shop',
    identity: 'spiffe://cluster.local/ns/shop/sa/web',
  },
  bytesSent: 84,
  bytesReceived: 234,
  durationMs: 12.4,
}

test('accessLine() writes upstream’s fields in upstream’s order', () => {
  expect(formatLogLine(accessLine(record), 'plain', AT)).toBe(
    '2026-03-04T05:06:07.089250Z\tinfo\taccess\tconnection complete\t' +
      'src.addr=10.0.0.1:40000 src.workload="client-1" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/client" ' +
      'dst.addr=10.0.0.2:15008 dst.hbone_addr=10.0.0.2:8080 dst.service="web.shop.svc.cluster.local" dst.workload="web-1" dst.namespace="shop" ' +
      'dst.identity="spiffe://cluster.local/ns/shop/sa/web" direction="outbound" bytes_sent=84 bytes_recv=234 duration="12ms"',
  )
})

test.each([
  { event: 'complete', error: undefined, level: 'info' },
  { event: 'complete', error: { reason: 'POLICY_DENIED', detail: 'x' }, level: 'error' },
  { event: 'opened', error: undefined, level: 'debug' },
  { event: 'failed', error: { reason: 'SELF_CALL', detail: 'x' }, level: 'warn' },
] as const)('accessLine() logs $event with error $error as $level', ({ event, error, level }) => {
  const line = accessLine({ ...record, event, error })
  expect(line).toMatchObject({ level, scope: 'access', message: `connection ${event}` })
  expect(Object.keys(line.fields).slice(-3)).toEqual(['error', 'reason', 'policy'])
})

test('formatLogLine() writes one flat JSON object', () => {
  const line = accessLine({ ...record, error: { reason: 'CONNECT_FAILED', detail: 'refused' } })
  const json: unknown = JSON.parse(formatLogLine(line, 'json', AT))
  expect(json).toMatchObject({
    level: 'error',
    time: '2026-03-04T05:06:07.089250Z',
    scope: 'access',
    message: 'connection complete',
    'src.addr': '10.0.0.1:40000',
    bytes_sent: 84,
    duration: '12ms',
    error: 'refused',
    reason: 'CONNECT_FAILED',
  })
  expect(json).not.toHaveProperty('src.cluster')
})

test('formatLogLine() lets no value forge a line, a field or an endless line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (message, value) => {
      const plain = formatLogLine(
        { level: 'info', scope: 'x', message, fields: { 'src.addr': value, text: value } },
        'plain',
        AT,
      )
      expect(plain.replaceAll('\t', '')).not.toMatch(/\p{Cc}/u)
      expect(plain.split('\t')).toHaveLength(5)
    }),
  )
  const long = formatLogLine(
    { level: 'info', scope: 'x', message: 'm'.repeat(1e6), fields: { a: 'b'.repeat(1e6) } },
    'plain',
    AT,
  )
  expect(long.length).toBeLessThan(10_000)
})

test('formatLogLine() quotes an address that is none', () => {
  expect(
    formatLogLine({ level: 'info', scope: 'x', message: 'm', fields: { 'src.addr': '1 b=2' } }, 'plain', AT),
  ).toContain('src.addr="1 b=2"')
})
