import { canonicalIp } from '@ambient/model'
import { CniError } from '../cni-error.ts'
import { agentVariables, type AgentVariable, type Env } from './agent-variables.ts'

export function text(env: Env, name: AgentVariable): string {
  const value = env[name]
  return value === undefined || value === '' ? agentVariables[name].fallback : value
}

export function flag(env: Env, name: AgentVariable): boolean {
  const value = text(env, name).toLowerCase()
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw invalid(name, value, 'expected true or false')
}

/** Words separated by commas. */
export function words(env: Env, name: AgentVariable): readonly string[] {
  return text(env, name)
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

export function address(env: Env, name: AgentVariable): string {
  const value = text(env, name)
  const { fallback } = agentVariables[name]
  const canonical = canonicalIp(value)
  if (canonical === undefined || canonical.includes(':') !== fallback.includes(':'))
    throw invalid(name, value, `expected an address such as ${fallback}`)
  return canonical
}

/** The name of a file that a container runtime would take for a network, or nothing where that is the default. */
export function confName(env: Env, name: AgentVariable): string | undefined {
  const value = text(env, name)
  if (value === '' || /^[^/]+\.(conf|conflist|json)$/.test(value)) return value === '' ? undefined : value
  throw invalid(name, value, 'expected the name of a .conf or .conflist file')
}

export function port(name: string, value: string): number {
  const number = Number(value)
  if (/^\d{1,5}$/.test(value) && number <= 65_535) return number
  throw invalid(name, value, 'expected a port from 0 to 65535')
}

export function required(name: string, value: string | undefined): string {
  if (value !== undefined && value !== '') return value
  throw new CniError('CONFIG_INVALID', `Cannot start: ${name} is not set; see --help`)
}

export function invalid(name: string, value: string, expected: string): CniError {
  return new CniError('CONFIG_INVALID', `Cannot use ${name} "${value}": ${expected}`)
}
