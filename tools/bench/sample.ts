/** One measured value: the only thing a bench writes, one JSON object a line. */
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

/** @throws {Error} naming the line and the field that is wrong. */
export function parseSamples(text: string): readonly BenchSample[] {
  return text
    .split('\n')
    .map((line, index) => ({ line: line.trim(), number: index + 1 }))
    .filter(({ line }) => line !== '')
    .map(({ line, number }) => readSample(line, number))
}

function readSample(line: string, number: number): BenchSample {
  const value: unknown = parseJson(line, number)
  if (typeof value !== 'object' || value === null)
    throw new Error(`Cannot read line ${number}: not an object`)
  const fields = new Map<string, unknown>(Object.entries(value))
  const text = (name: string): string => {
    const field = fields.get(name)
    if (typeof field !== 'string' || field === '')
      throw new Error(`Cannot read line ${number}: "${name}" must be text`)
    return field
  }
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
