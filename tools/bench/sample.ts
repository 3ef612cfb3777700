/** The first line of a run's file: where the values come from. */
export interface BenchRun {
  /** Name, processor, memory and kernel, for people. */
  readonly machine: string
  /** What was asked for. */
  readonly command: string
  /** `2026-01-31`. */
  readonly day: string
}

/** One measured value: what a bench writes behind that, one JSON object a line. */
export interface BenchSample {
  readonly case: string
  readonly contestant: string
  readonly round: number
  readonly value: number
  readonly unit: string
  /** One-minute load average when the measurement began: without it no two runs can be set side by side. */
  readonly load: number
  /** How many cores others than the bench kept busy meanwhile. */
  readonly foreign: number
}

/** The values of a run. @throws {Error} naming the line and the field that is wrong. */
export function parseSamples(text: string): readonly BenchSample[] {
  return readLines(text)
    .filter((fields) => !isAboutRun(fields))
    .map(readSample)
}

/** Where they come from; undefined for a file that does not say. @throws as `parseSamples` */
export function parseRun(text: string): BenchRun | undefined {
  const found = readLines(text).find(isAboutRun)
  if (found === undefined) return undefined
  const [machine, command, day] = ['machine', 'command', 'day'].map((name) => textOf(found, name))
  return { machine: machine ?? '', command: command ?? '', day: day ?? '' }
}

interface Line {
  readonly number: number
  readonly fields: ReadonlyMap<string, unknown>
}

function readLines(text: string): readonly Line[] {
  return text
    .split('\n')
    .map((line, index) => ({ line: line.trim(), number: index + 1 }))
    .filter(({ line }) => line !== '')
    .map(({ line, number }) => {
      const value: unknown = parseJson(line, number)
      if (typeof value !== 'object' || value === null)
        throw new Error(`Cannot read line ${number}: not an object`)
      return { number, fields: new Map<string, unknown>(Object.entries(value)) }
    })
}

function isAboutRun({ fields }: Line): boolean {
  return fields.has('machine')
}

function textOf({ fields, number }: Line, name: string): string {
  const field = fields.get(name)
  if (typeof field !== 'string' || field === '')
    throw new Error(`Cannot read line ${number}: "${name}" must be text`)
  return field
}

function readSample(line: Line): BenchSample {
  const { fields, number } = line
  const text = (name: string): string => textOf(line, name)
  const count = (name: string): number => {
    const field = fields.get(name)
    if (typeof field !== 'number' || !Number.isFinite(field))
      throw new Error(`Cannot read line ${number}: "${name}" must be a number`)
    return field
  }
  return {
    case: text('case'),
    contestant: text('contestant'),
    round: count('round'),
    value: count('value'),
    unit: text('unit'),
    load: count('load'),
    foreign: count('foreign'),
  }
}

function parseJson(line: string, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new Error(`Cannot read line ${number}: not JSON`, { cause })
  }
}
