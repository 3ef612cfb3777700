import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import { createMetrics } from '@ambient/telemetry'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { chooseCoding, compress } from './content-coding.ts'
import { toOpenMetrics, wantsOpenMetrics } from './open-metrics.ts'

test.each([
  { accept: undefined, expected: undefined },
  { accept: 'identity', expected: undefined },
  { accept: 'gzip', expected: 'gzip' },
  { accept: 'br', expected: 'br' },
  { accept: 'deflate, br', expected: 'deflate' },
  { accept: 'gzip, deflate, br, zstd', expected: 'gzip' },
  { accept: 'gzip;q=0.5, zstd;q=0.8', expected: 'zstd' },
  { accept: 'gzip;q=0, *;q=0.1', expected: 'zstd' },
  { accept: 'gzip;q=0', expected: undefined },
  { accept: 'gzip;q=much', expected: undefined },
  { accept: '*', expected: 'gzip' },
])('chooseCoding() of $accept is $expected', ({ accept, expected }) => {
  expect(chooseCoding(accept, 5000)).toBe(expected)
  expect(chooseCoding(accept, 100)).toBeUndefined()
})

test('compress() makes what each name says', async () => {
  const body = Buffer.from('a body that comes back as it was')
  const back = { gzip: gunzipSync, br: brotliDecompressSync, deflate: inflateSync, zstd: zstdDecompressSync }
  for (const coding of ['gzip', 'br', 'deflate', 'zstd'] as const)
    expect(back[coding](await compress(coding, body))).toEqual(body)
})

test('wantsOpenMetrics() is for who names it', () => {
  const prometheus =
    'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;q=0.3'
  expect(wantsOpenMetrics(prometheus)).toBe(true)
  for (const accept of [undefined, 'text/plain', '*/*', 'application/openmetrics-text;q=0'])
    expect(wantsOpenMetrics(accept)).toBe(false)
})

test('toOpenMetrics() names families of counters without _total and marks the end', async () => {
  const registry = new Registry()
  const metrics = createMetrics(registry, 'ztunnel')
  metrics.add('istio_xds_message_total', 2, ['a "b"\n# TYPE x_total counter'])
  metrics.set('istio_build', 1, ['ztunnel', '1.30'])
  metrics.observe('istio_dns_upstream_request_duration_seconds', 0.2, ['a', 'udp', 'c', 'd'])
  const lines = toOpenMetrics(await registry.metrics()).split('\n')
  expect(lines.slice(-2)).toEqual(['# EOF', ''])
  expect(lines).not.toContain(undefined)
  expect(lines.slice(0, -1)).not.toContain('')
  expect(lines).toContain('# TYPE istio_xds_message counter')
  expect(lines).toContain('# HELP istio_xds_message Responses from the control plane')
  expect(lines).toContain(String.raw`istio_xds_message_total{url="a \"b\"\n# TYPE x_total counter"} 2`)
  expect(lines).toContain('# TYPE istio_build gauge')
  expect(lines.filter((line) => /^# TYPE .*_total /.test(line))).toEqual([])
})
