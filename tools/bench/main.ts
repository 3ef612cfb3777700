/** `npm run bench -- NAME`: the contestants in turn on one lab; each value goes into a file, a table and a chart to the screen. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { Lab } from '@ambient/lab'
import { systemClock } from '@ambient/lifecycle'
import { benchCases } from './bench-cases.ts'
import { type BenchOptions, parseBenchOptions } from './bench-options.ts'
import { contestants } from './contestants.ts'
import { openGround } from './ground.ts'
import { compileLoad } from './load-program.ts'
import { foreignCores, loadAverage, readCpuMark } from './machine-load.ts'
import { type MachineWatch, race, type Runner } from './race.ts'
import { renderChart, renderTable, summarise } from './report.ts'
import { type BenchSample, parseSamples } from './sample.ts'

const HELP = `Usage: npm run bench -- NAME [options]

Measures the mesh on this machine beside other ways to carry the same bytes. Needs root.

${[...benchCases].map(([name, { title }]) => `  ${name.padEnd(14)} ${title}`).join('\n')}

  --rounds N       how often each contestant is measured (default 5)
  --seconds S      how long each measurement counts (default 2)
  --only X         of the contestants ${[...contestants.keys()].join(', ')}; more than one by commas
  --baseline FILE  an earlier run's file: shows how its ratios have changed
  --out FILE       where the values go, one JSON object a line (default a new file in .bench/)
`
const root = join(import.meta.dirname, '..', '..')

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const command = parseBenchOptions(args, {
    cases: [...benchCases.keys()],
    contestants: [...contestants.keys()],
  })
  switch (command.kind) {
    case 'help':
      process.stdout.write(HELP)
      return 0
    case 'refuse':
      say(command.line)
      return 2
    case 'run':
      return bench(command.options).catch((cause: unknown) => {
        say(cause instanceof Error ? cause.message : String(cause))
        return 1
      })
  }
}

async function bench(options: BenchOptions): Promise<number> {
  const { name, rounds, seconds } = options
  const baseline = options.baseline === undefined ? [] : parseSamples(readFileSync(options.baseline, 'utf8'))
  const out = options.out ?? join(root, '.bench', `${name}-${timestamp()}.jsonl`)
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, '') // now, while nothing has been measured that a wrong name could lose
  say(`${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Linux ${release()}, load ${loadAverage()}`)
  const samples: BenchSample[] = []
  const onSample = (sample: BenchSample): void => {
    samples.push(sample)
    appendFileSync(out, `${JSON.stringify(sample)}\n`)
    say(
      `round ${sample.round} of ${rounds}: ${sample.contestant}: ${sample.case}: ${sample.value.toFixed(1)} ${sample.unit}`,
    )
  }
  await using lab = await Lab.up({ nodes: 2, report: say })
  await race(await openRunners(lab, options), rounds, { watchMachine, onSample })
  const rows = summarise(samples, baseline)
  process.stdout.write(`${renderTable(rows)}\n\n${renderChart(rows)}\n`)
  say(`${rounds} rounds of ${seconds} s each; values in ${relative(process.cwd(), out)}`)
  return 0
}

async function openRunners(lab: Lab, options: BenchOptions): Promise<readonly Runner[]> {
  const program = await compileLoad()
  const runners: Runner[] = []
  for (const contestant of options.contestants) {
    const plan = contestants.get(contestant)
    const chosen = benchCases.get(options.name)
    if (plan === undefined || chosen === undefined) continue // refused with the command line
    const ground = await openGround(lab, plan, program)
    runners.push({ contestant, measure: () => chosen.measure(ground, options.seconds) })
  }
  return runners
}

function watchMachine(): MachineWatch {
  const [load, from] = [loadAverage(), readCpuMark()]
  return { load, foreign: () => foreignCores(from, readCpuMark()) }
}

function timestamp(): string {
  return new Date(systemClock.nowMs()).toISOString().replaceAll(/[-:]|\.\d+Z$/g, '')
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`)
}
