import { expect, test } from 'vitest'
import { tcpSettings, tunnelLimits } from './connection-config.ts'
import { ConfigError } from './env-values.ts'

const keepAlive = { idleSeconds: 180, intervalSeconds: 180, probes: 9 }

test.each([
  { env: {}, expected: { keepAlive, userTimeoutMs: undefined } },
  { env: { KEEPALIVE_ENABLED: 'false' }, expected: { keepAlive: undefined, userTimeoutMs: undefined } },
  { env: { USER_TIMEOUT_ENABLED: 'true' }, expected: { keepAlive, userTimeoutMs: 1_800_000 } },
  {
    env: {
      KEEPALIVE_TIME: '5m',
      KEEPALIVE_INTERVAL: '500ms',
      KEEPALIVE_RETRIES: '2',
      USER_TIMEOUT_ENABLED: '1',
    },
    expected: {
      keepAlive: { idleSeconds: 300, intervalSeconds: 1, probes: 2 },
      userTimeoutMs: 302_000,
    },
  },
])('tcpSettings() of $env', ({ env, expected }) => expect(tcpSettings(env)).toEqual(expected))

test.each([
  { env: {}, expected: {} },
  {
    env: { HTTP2_STREAM_WINDOW_SIZE: '65535' },
    expected: { streamWindow: 65_535, maxStreamWindow: 65_535 },
  },
  {
    env: { HTTP2_CONNECTION_WINDOW_SIZE: '2147483647' },
    expected: { connectionWindow: 2_147_483_647, bufferedBeforeDebt: 2_147_483_647 },
  },
  { env: { HTTP2_FRAME_SIZE: '16384' }, expected: { maxFrameBytes: 16_384 } },
  {
    env: { POOL_MAX_STREAMS_PER_CONNECTION: '1', POOL_UNUSED_RELEASE_TIMEOUT: '0s' },
    expected: { poolStreams: 1, poolIdleMs: 0 },
  },
])('tunnelLimits() of $env', ({ env, expected }) => expect(tunnelLimits(env)).toEqual(expected))

test.each([
  { KEEPALIVE_TIME: '0s' },
  { KEEPALIVE_TIME: '10h' },
  { KEEPALIVE_INTERVAL: 'often' },
  { KEEPALIVE_RETRIES: '0' },
  { KEEPALIVE_RETRIES: '128' },
  { USER_TIMEOUT_ENABLED: '30s' },
  { HTTP2_STREAM_WINDOW_SIZE: '0' },
  { HTTP2_STREAM_WINDOW_SIZE: '2147483648' },
  { HTTP2_CONNECTION_WINDOW_SIZE: '65535' },
  { HTTP2_FRAME_SIZE: '16383' },
  { HTTP2_FRAME_SIZE: '16777216' },
  { POOL_MAX_STREAMS_PER_CONNECTION: '0' },
  { POOL_MAX_STREAMS_PER_CONNECTION: '65536' },
  { POOL_UNUSED_RELEASE_TIMEOUT: '5' },
])('%o is refused, by name', (env) => {
  const read = () => ({ ...tcpSettings(env), ...tunnelLimits(env) })
  expect(read).toThrow(ConfigError)
  expect(read).toThrow(Object.keys(env)[0])
})
