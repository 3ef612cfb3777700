import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { accessLine, formatLogLine } from '@ambient/telemetry'
import { checkJson } from '@ambient/testkit'
import { expect, test } from 'vitest'

const end = { workload: 'w', namespace: 'n', identity: 'spiffe://cluster.local/ns/n/sa/a', cluster: 'c' }

test('a line of the access log is what its schema says, with every field of it filled', () => {
  const schema = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', '..', 'schemas', 'access_log.json'), 'utf8'),
  ) as object
  const line = accessLine({
    event: 'complete',
    direction: 'outbound',
    src: { ...end, addr: '10.0.0.1:4711' },
    dst: { ...end, addr: '10.0.0.2:15008', hboneAddr: '10.0.0.2:8080', service: 'web' },
    bytesSent: 1,
    bytesReceived: 2,
    durationMs: 3,
    error: { reason: 'POLICY_CHANGED', detail: 'revoked', policy: 'n/p' },
  })
  const json: unknown = JSON.parse(formatLogLine(line, 'json', 0))
  expect(checkJson(schema, json)).toEqual({ problems: [], unused: [] })
})
