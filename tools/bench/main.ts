/** `npm run bench -- NAME`: the contestants in turn on one lab; each value goes into a file, a table and a chart to the screen. */
import { appendFileSync, mkdirSync, mkdtempDisposableSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { Lab } from '@ambient/lab'
import { systemClock } from '@ambient/lifecycle'
import { benchCases, caseNames, casesNamed } from './bench-cases.ts'
import { type BenchOptions, parseBenchOptions } from './bench-options.ts'
import { type Contestant, contestants } from './contestants.ts'
import { openGround, type Ground } from './ground.ts'
import { installExtras } from './install-extras.ts'
import { compileLoad } from './load-program.ts'
import { foreignCores, loadAverage, readCpuMark } from './machine-load.ts'
import { type MachineWatch, race } from './race.ts'
import { renderChart, renderTable, summarise } from './report.ts'
import { type BenchSample, parseSamples } from './sample.ts'

const CONTESTANTS = contestants.map(({ name }) => name)
const HELP = `Usage: npm run bench -- NAME [options]

Measures the mesh on this machine beside other ways to carry the same bytes. Needs root.

${benchCases.map(({ name, title }) => `  ${name.padEnd(14)} ${title}`).join('\n')}
  race           all of them

  --rounds N       how often each contestant is measured (default 5)
  --seconds S      how long each measurement counts (default 2)
  --only X         of the contestants ${CONTESTANTS.join(', ')}; more than one by commas
  --baseline FILE  an earlier run's file: shows how its ratios have changed
  --out FILE       where the values go, one JSON object a line (default a new file in .bench/)
`
const root = join(import.meta.dirname, '..', '..')

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const command = parseBenchOptions(args, { cases: caseNames, contestants: CONTESTANTS })
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
  const baseline = options.baseline === undefined ? [] : parseSamples(readFileSync(options.baseline, 'utf8'))
  const out = options.out ?? join(root, '.bench', `${options.name}-${timestamp()}.jsonl`)
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, '') // now, while nothing has been measured that a wrong name could lose
  const chosen = contestants.filter(({ name }) => options.contestants.includes(name))
  await installExtras(chosen.flatMap(({ extras }) => extras))
  say(`${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Linux ${release()}, load ${loadAverage()}`)
  const samples: BenchSample[] = []
  await measureAll(options, chosen, (sample) => {
    samples.push(sample)
    appendFileSync(out, `${JSON.stringify(sample)}\n`)
    const { round, contestant, value, unit } = sample
    say(`round ${round} of ${options.rounds}: ${contestant}: ${sample.case}: ${value.toFixed(2)} ${unit}`)
  })
  const rows = summarise(samples, baseline)
  process.stdout.write(`${renderTable(rows)}\n\n${renderChart(rows)}\n`)
  say(`${options.rounds} rounds of ${options.seconds} s each; values in ${relative(process.cwd(), out)}`)
  return 0
}

async function measureAll(
  { name, rounds, seconds }: BenchOptions,
  chosen: readonly Contestant[],
  onSample: (sample: BenchSample) => void,
): Promise<void> {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'ambient-bench-'))
  const program = await compileLoad(folder.path)
  await using lab = await Lab.up({
    nodes: 2,
    env: { ztunnel: { ZTUNNEL_TLS_GROUPS: 'X25519' } }, // what every contestant can do
    report: say,
  })
  const grounds = new Map<Contestant, Ground>()
  for (const contestant of chosen) grounds.set(contestant, await openGround(lab, contestant, program))
  for (const each of casesNamed(name)) {
    const runners = [...grounds].map(([contestant, ground]) => ({
      contestant: contestant.name,
      measure: () => each.measure(ground, seconds),
    }))
    await race(runners, rounds, { watchMachine, onSample })
  }
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
