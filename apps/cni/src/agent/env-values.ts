import { CniError } from '../cni-error.ts'

export type Env = Readonly<Record<string, string | undefined>>

/** The value of a variable; one that is set to nothing counts as not set. */
export function text(env: Env, name: string, fallback: string): string {
  const value = env[name]
  return value === undefined || value === '' ? fallback : value
}

/** @throws {CniError} `CONFIG_INVALID` for what is neither true nor false */
export function flag(env: Env, name: string, fallback: string): boolean {
  const value = text(env, name, fallback).toLowerCase()
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw invalid(name, value, 'expected true or false')
}

/** The error of a setting that cannot be used: its name, its value and what is expected. */
export function invalid(name: string, value: string, expected: string): CniError {
  return new CniError('CONFIG_INVALID', `Cannot use ${name} "${value}": ${expected}`)
}
