import { type BenchRun, type BenchSample, parseRun, parseSamples } from '../bench/sample.ts'
import { renderChart, renderMachineLoad, renderMatrix, summarise } from '../bench/report.ts'

const BEGIN =
  '<!-- begin: made by tools/docs/main.ts from docs/performance.jsonl, the values of one run -->\n'
const END = '<!-- end -->\n'

/**
 * A page with the values of a run, as its file has them, between its two marks; the words around them are people's. Pure.
 *
 * @throws {Error} when the page has no marks
 */
export function performancePage(page: string, run: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin)
    throw new Error('docs/performance.md has no place for the values: put its two marks back')
  const samples = parseSamples(run)
  const values = samples.length === 0 ? 'No run has been recorded.' : renderValues(samples, parseRun(run))
  return `${page.slice(0, begin + BEGIN.length)}\n${values}\n\n${page.slice(end)}`
}

function renderValues(samples: readonly BenchSample[], run: BenchRun | undefined): string {
  const rows = summarise(samples)
  const rounds = rows.map((row) => row.rounds)
  const [least, most] = [Math.min(...rounds), Math.max(...rounds)]
  return [
    ...(run === undefined ? [] : [`\`${run.command}\` on ${run.day}. Machine: ${run.machine}.`]),
    `Medians of ${least === most ? most : `${least} to ${most}`} rounds, in brackets the lowest and the highest. ${renderMachineLoad(samples)}`,
    renderMatrix(rows),
    `\`\`\`\n${renderChart(rows)}\n\`\`\``,
  ].join('\n\n')
}
