import type { BenchSample } from './sample.ts'

export interface Row {
  readonly case: string
  readonly contestant: string
  readonly unit: string
  readonly median: number
  readonly worst: number
  readonly best: number
  readonly rounds: number
  /** To the case's first contestant, median to median. */
  readonly ratio: number
  /** To the same contestant of the baseline's ratio; undefined without a baseline. */
  readonly toBaseline: number | undefined
}

/** Medians and ratios, case by case, in the order in which cases and contestants were first seen. Ratios are what may be compared between machines. */
export function summarise(
  samples: readonly BenchSample[],
  baseline: readonly BenchSample[] = [],
): readonly Row[] {
  const before = new Map(
    baseline.length === 0 ? [] : summarise(baseline).map((row) => [keyOf(row), row.ratio]),
  )
  const byCase = [...Map.groupBy(samples, caseKeyOf).values()].flat()
  const groups = Map.groupBy(byCase, keyOf)
  const reference = new Map<string, number>()
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const values = group.map((sample) => sample.value).toSorted((a, b) => a - b)
    const median = medianOf(values)
    const base = reference.get(caseKeyOf(first)) ?? median
    reference.set(caseKeyOf(first), base)
    const ratio = base === 0 ? Number.NaN : median / base
    const was = before.get(keyOf(first))
    const [low = 0] = values
    const high = values.at(-1) ?? 0
    const [best, worst] = isBetterHigher(first.unit) ? [high, low] : [low, high]
    return [
      {
        case: first.case,
        contestant: first.contestant,
        unit: first.unit,
        median,
        best,
        worst,
        rounds: values.length,
        ratio,
        toBaseline: was === undefined ? undefined : ratio / was,
      },
    ]
  })
}

/** A table for people and for Markdown alike. */
export function renderTable(rows: readonly Row[]): string {
  const withBaseline = rows.some((row) => row.toBaseline !== undefined)
  const head = [
    'case',
    'contestant',
    'median',
    'best',
    'worst',
    'unit',
    'rounds',
    'ratio',
    ...(withBaseline ? ['ratio / baseline'] : []),
  ]
  const body = rows.map((row) => [
    row.case,
    row.contestant,
    short(row.median),
    short(row.best),
    short(row.worst),
    row.unit,
    String(row.rounds),
    short(row.ratio),
    ...(withBaseline ? [row.toBaseline === undefined ? '-' : short(row.toBaseline)] : []),
  ])
  const widths = head.map((title, column) =>
    Math.max(title.length, ...body.map((cells) => cells[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n')
}

/** A row a case and a column a contestant: median, and in brackets the lowest and the highest. Markdown. */
export function renderMatrix(rows: readonly Row[]): string {
  const contestants = [...new Set(rows.map(({ contestant }) => contestant))]
  const head = ['case', 'unit', ...contestants]
  const body = [...Map.groupBy(rows, caseKeyOf).values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const cells = contestants.map((name) => group.find(({ contestant }) => contestant === name))
    return [[first.case, first.unit, ...cells.map((row) => (row === undefined ? '' : spread(row)))]]
  })
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n')
}

function spread({ median, best, worst, rounds }: Row): string {
  if (rounds === 1) return short(median)
  const [low, high] = best < worst ? [best, worst] : [worst, best]
  return `${short(median)} (${short(low)} to ${short(high)})`
}

/** How busy the machine was with other things, in a sentence. */
export function renderMachineLoad(samples: readonly BenchSample[]): string {
  const range = (values: readonly number[]): string => {
    const sorted = values.toSorted((a, b) => a - b)
    return `${short(medianOf(sorted))} (${short(sorted[0] ?? Number.NaN)} to ${short(sorted.at(-1) ?? Number.NaN)})`
  }
  return `Load average when a measurement began: ${range(samples.map(({ load }) => load))}; cores that others kept busy during one: ${range(samples.map(({ foreign }) => foreign))}.`
}

const BAR = 40

/** One bar a contestant, as long as its median in proportion to the case's largest. */
export function renderChart(rows: readonly Row[]): string {
  const cases = [...new Set(rows.map((row) => `${row.case} (${row.unit})`))]
  return cases
    .map((title) => {
      const shown = rows.filter((row) => `${row.case} (${row.unit})` === title)
      const most = Math.max(...shown.map((row) => row.median))
      const name = Math.max(...shown.map((row) => row.contestant.length))
      const bars = shown.map(
        (row) =>
          `  ${row.contestant.padEnd(name)} ${'█'.repeat(most === 0 ? 0 : Math.round((row.median / most) * BAR))} ${short(row.median)}`,
      )
      return [title, ...bars].join('\n')
    })
    .join('\n\n')
}

function medianOf(sorted: readonly number[]): number {
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

function isBetterHigher(unit: string): boolean {
  return unit.endsWith('/s')
}

type CaseKey = Pick<BenchSample, 'case' | 'unit'>

function caseKeyOf({ case: name, unit }: CaseKey): string {
  return `${name}\u0000${unit}`
}

function keyOf(of: CaseKey & Pick<BenchSample, 'contestant'>): string {
  return `${caseKeyOf(of)}\u0000${of.contestant}`
}

function short(value: number): string {
  if (!Number.isFinite(value)) return '-'
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2)
}
