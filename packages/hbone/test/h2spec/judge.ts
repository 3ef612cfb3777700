import type { Flavour } from './build-runner.ts'
import type { Exception } from './exceptions.ts'
import type { CaseOutcome } from './run-cases.ts'

export interface Judged {
  readonly passed: number
  /** A line each: cases that fail and are no exception, exceptions that pass or are no case. */
  readonly wrong: readonly string[]
}

/** Every case passes or is an exception, and no exception passes. Pure. */
export function judge(
  flavour: Flavour,
  outcomes: readonly CaseOutcome[],
  exceptions: readonly Exception[],
): Judged {
  const excepted = new Set(exceptions.filter((each) => each.flavour === flavour).flatMap(({ ids }) => ids))
  const known = new Set(outcomes.map(({ id }) => id))
  const wrong = outcomes
    .filter(({ id, verdict }) => (verdict === 'passed') === excepted.has(id))
    .map((outcome) => `${flavour} ${describe(outcome)}`)
  const unknown = [...excepted].filter((id) => !known.has(id))
  return {
    passed: outcomes.filter(({ id, verdict }) => verdict === 'passed' && !excepted.has(id)).length,
    wrong: [...wrong, ...unknown.map((id) => `${flavour} ${id}: an exception, but h2spec has no such case`)],
  }
}

function describe({ id, title, verdict, expected, actual }: CaseOutcome): string {
  if (verdict === 'passed') return `${id} (${title}): passes, and is an exception`
  return `${id} (${title}): ${verdict}; wanted ${expected ?? 'no error'}, got ${actual ?? 'nothing'}`
}
