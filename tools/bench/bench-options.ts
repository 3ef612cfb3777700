import { parseArgs } from 'node:util'

export interface BenchOptions {
  readonly name: string
  readonly rounds: number
  /** How long each measurement counts, after its warm-up. */
  readonly seconds: number
  readonly contestants: readonly string[]
  readonly baseline: string | undefined
  readonly out: string | undefined
}

export type BenchCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'refuse'; readonly line: string }
  | { readonly kind: 'run'; readonly options: BenchOptions }

/** What there is to choose from, in the order in which it is shown and run. */
export interface BenchChoice {
  readonly cases: readonly string[]
  readonly contestants: readonly string[]
}

const DEFAULT_ROUNDS = 5
const DEFAULT_SECONDS = 2

/** What a command line asks for. Pure. */
export function parseBenchOptions(args: readonly string[], choice: BenchChoice): BenchCommand {
  try {
    return readOptions(args, choice)
  } catch (cause) {
    return refuse(cause instanceof Error ? cause.message : String(cause)) // of parseArgs, or of a number below
  }
}

function readOptions(args: readonly string[], choice: BenchChoice): BenchCommand {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: String(DEFAULT_ROUNDS) },
      seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
      only: { type: 'string', multiple: true, default: [] },
      baseline: { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return { kind: 'help' }
  const [name, ...rest] = positionals
  if (name === undefined) return refuse(`name a case, one of: ${choice.cases.join(', ')}`)
  if (!choice.cases.includes(name))
    return refuse(`there is no case "${name}", take one of: ${choice.cases.join(', ')}`)
  if (rest.length > 0) return refuse(`one case at a time, "${rest.join(' ')}" is too much`)
  const only = values.only.flatMap((names) => names.split(','))
  const unknown = only.find((contestant) => !choice.contestants.includes(contestant))
  if (unknown !== undefined)
    return refuse(`there is no contestant "${unknown}", take of: ${choice.contestants.join(', ')}`)
  return {
    kind: 'run',
    options: {
      name,
      rounds: readNumber('--rounds', values.rounds, /^[1-9]\d{0,3}$/),
      seconds: readNumber('--seconds', values.seconds, /^(?!0*\.?0*$)\d{1,3}(\.\d+)?$/),
      contestants: choice.contestants.filter((each) => only.length === 0 || only.includes(each)),
      baseline: values.baseline,
      out: values.out,
    },
  }
}

function readNumber(option: string, text: string, shape: RegExp): number {
  if (shape.test(text)) return Number(text)
  throw new Error(`${option} must be a number above 0, not "${text}"`)
}

function refuse(line: string): BenchCommand {
  return { kind: 'refuse', line }
}
