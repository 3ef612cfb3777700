import { parseArgs } from 'node:util'
import { errorText } from '@ambient/lifecycle'

export interface BenchOptions {
  readonly name: string
  readonly rounds: number
  /** How long each measurement counts, after its warm-up. */
  readonly seconds: number
  /** Names of contestants; empty for all. */
  readonly only: readonly string[]
  /** Files that describe further node proxies. */
  readonly nodeProxies: readonly string[]
  /** After how many minutes no case begins another round; each has at least one. */
  readonly minutes: number
  /** How many cores others may keep busy. */
  readonly quiet: number
  readonly baseline: string | undefined
  readonly out: string | undefined
}

export type BenchCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'refuse'; readonly line: string }
  | { readonly kind: 'run'; readonly options: BenchOptions }

const DEFAULT_ROUNDS = 5
const DEFAULT_SECONDS = 2

/** What a command line asks for, of these cases. Pure. */
export function parseBenchOptions(args: readonly string[], cases: readonly string[]): BenchCommand {
  try {
    return readOptions(args, cases)
  } catch (cause) {
    return refuse(errorText(cause)) // of parseArgs, or of a number below
  }
}

function readOptions(args: readonly string[], cases: readonly string[]): BenchCommand {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: String(DEFAULT_ROUNDS) },
      seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
      only: { type: 'string', multiple: true, default: [] },
      'node-proxy': { type: 'string', multiple: true, default: [] },
      minutes: { type: 'string' },
      quiet: { type: 'string' },
      baseline: { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return { kind: 'help' }
  const [name, ...rest] = positionals
  if (name === undefined) return refuse(`name a case, one of: ${cases.join(', ')}`)
  if (!cases.includes(name)) return refuse(`there is no case "${name}", take one of: ${cases.join(', ')}`)
  if (rest.length > 0) return refuse(`one case at a time, "${rest.join(' ')}" is too much`)
  return {
    kind: 'run',
    options: {
      name,
      rounds: readNumber('--rounds', values.rounds, /^[1-9]\d{0,3}$/),
      seconds: readNumber('--seconds', values.seconds, DECIMAL),
      only: values.only.flatMap((names) => names.split(',')),
      nodeProxies: values['node-proxy'],
      minutes: values.minutes === undefined ? Infinity : readNumber('--minutes', values.minutes, DECIMAL),
      quiet: values.quiet === undefined ? Infinity : readNumber('--quiet', values.quiet, DECIMAL),
      baseline: values.baseline,
      out: values.out,
    },
  }
}

/** Above 0. */
const DECIMAL = /^(?!0*\.?0*$)\d{1,3}(\.\d+)?$/

function readNumber(option: string, text: string, shape: RegExp): number {
  if (shape.test(text)) return Number(text)
  throw new Error(`${option} must be a number above 0, not "${text}"`)
}

function refuse(line: string): BenchCommand {
  return { kind: 'refuse', line }
}

/**
 * Those of `all` that `only` names, or all. Pure.
 *
 * @returns A line of what is wrong, when a name is nobody's.
 */
export function chooseByName<T extends { readonly name: string }>(
  all: readonly T[],
  only: readonly string[],
): readonly T[] | string {
  const names = all.map(({ name }) => name)
  const unknown = only.find((name) => !names.includes(name))
  if (unknown !== undefined) return `there is no contestant "${unknown}", take of: ${names.join(', ')}`
  return all.filter(({ name }) => only.length === 0 || only.includes(name))
}
