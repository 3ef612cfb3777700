import { CodedError } from '@ambient/lifecycle'

export type Env = Readonly<Record<string, string | undefined>>

export class ConfigError extends CodedError<'CONFIG_INVALID'> {
  constructor(message: string) {
    super('CONFIG_INVALID', message)
  }
}

/** As `10s` or `5m`. @throws {ConfigError} */
export function durationMs<Fallback extends number | undefined>(
  env: Env,
  name: string,
  fallbackMs: Fallback,
): number | Fallback {
  const text = env[name]
  if (text === undefined || text === '') return fallbackMs
  const match = /^(\d+)(ms|s|m|h)$/.exec(text)
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match?.[2] ?? '']
  if (match === null || unit === undefined)
    throw new ConfigError(`Cannot use ${name} "${text}": expected a duration such as 10s or 5m`)
  return Number(match[1]) * unit
}

/** @throws {ConfigError} */
export function integer<Fallback extends number | undefined>(
  env: Env,
  name: string,
  fallback: Fallback,
  { min, max }: { readonly min: number; readonly max: number } = { min: 0, max: 999_999_999 },
): number | Fallback {
  const text = env[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (/^\d{1,10}$/.test(text) && value >= min && value <= max) return value
  throw new ConfigError(`Cannot use ${name} "${text}": expected a whole number from ${min} to ${max}`)
}

/** @throws {ConfigError} */
export function flag(env: Env, name: string, fallback: boolean): boolean {
  const text = env[name]
  if (text === undefined || text === '') return fallback
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw new ConfigError(`Cannot use ${name} "${text}": expected true or false`)
}
