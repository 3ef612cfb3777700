import type { HboneLimits } from '@ambient/hbone'
import type { KeepAlive } from '@ambient/linux'
import { ConfigError, durationMs, type Env, flag, integer } from './env-values.ts'

/** How long a TCP peer that says nothing is believed in. */
export interface TcpSettings {
  readonly keepAlive: KeepAlive | undefined
  /** How long sent bytes may stay unacknowledged; undefined leaves it to the kernel. */
  readonly userTimeoutMs: number | undefined
}

/** The kernel takes no more. */
const MAX_KEEPALIVE_S = 32_767
const MAX_PROBES = 127
const MAX_WINDOW = 2 ** 31 - 1

/** @throws {ConfigError} */
export function tcpSettings(env: Env): TcpSettings {
  const idleSeconds = seconds(env, 'KEEPALIVE_TIME', 180)
  const intervalSeconds = seconds(env, 'KEEPALIVE_INTERVAL', 180)
  const probes = integer(env, 'KEEPALIVE_RETRIES', 9, { min: 1, max: MAX_PROBES })
  return {
    keepAlive: flag(env, 'KEEPALIVE_ENABLED', true) ? { idleSeconds, intervalSeconds, probes } : undefined,
    // As long as keepalive would take to give up.
    userTimeoutMs: flag(env, 'USER_TIMEOUT_ENABLED', false)
      ? (idleSeconds + intervalSeconds * probes) * 1000
      : undefined,
  }
}

function seconds(env: Env, name: string, fallback: number): number {
  const value = Math.ceil(durationMs(env, name, fallback * 1000) / 1000)
  if (value >= 1 && value <= MAX_KEEPALIVE_S) return value
  throw new ConfigError(`Cannot use ${name} "${env[name]}": expected from 1s to ${MAX_KEEPALIVE_S}s`)
}

/**
 * The bounds of tunnels that the environment changes. A window that is named is the window from the first byte on; it
 * does not grow as the default does.
 *
 * @throws {ConfigError}
 */
export function tunnelLimits(env: Env): Partial<HboneLimits> {
  const optional = (name: string, min: number, max: number): number | undefined =>
    integer(env, name, undefined, { min, max })
  const window = optional('HTTP2_STREAM_WINDOW_SIZE', 1, MAX_WINDOW)
  // A connection begins with 65,535 bytes and cannot be given less.
  const connectionWindow = optional('HTTP2_CONNECTION_WINDOW_SIZE', 65_536, MAX_WINDOW)
  const maxFrameBytes = optional('HTTP2_FRAME_SIZE', 16_384, 16_777_215)
  const poolStreams = optional('POOL_MAX_STREAMS_PER_CONNECTION', 1, 65_535)
  const poolIdleMs = durationMs(env, 'POOL_UNUSED_RELEASE_TIMEOUT', undefined)
  return {
    ...(window !== undefined && { streamWindow: window, maxStreamWindow: window }),
    ...(connectionWindow !== undefined && { connectionWindow, bufferedBeforeDebt: connectionWindow }),
    ...(maxFrameBytes !== undefined && { maxFrameBytes }),
    ...(poolStreams !== undefined && { poolStreams }),
    ...(poolIdleMs !== undefined && { poolIdleMs }),
  }
}
