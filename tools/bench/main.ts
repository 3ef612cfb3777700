/** `npm run bench -- NAME`: the contestants in turn on a lab; each value goes into a file, a table and a chart to the screen. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, hostname, release, totalmem } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { errorText, systemClock } from '@ambient/lifecycle'
import { installExtras } from '@ambient/testkit'
import { benchCases, caseNames, casesNamed, ISTIOD } from './bench-cases.ts'
import { type BenchOptions, chooseByName, parseBenchOptions } from './bench-options.ts'
import { contestants, withNodeProxy } from './contestants.ts'
import { measureIstiod, meshes } from './istiod/measure-istiod.ts'
import { foreignCores, loadAverage, readCpuMark, untilQuiet } from './machine-load.ts'
import { measureAll } from './measure-all.ts'
import { readNodeProxyFile } from './node-proxy-file.ts'
import type { MachineWatch, RaceDeps } from './race.ts'
import { renderChart, renderTable, summarise } from './report.ts'
import { type BenchRun, type BenchSample, parseSamples } from './sample.ts'

const HELP = `Usage: npm run bench -- NAME [options]

Measures the mesh on this machine beside other ways to carry the same bytes. Needs root.

${benchCases.map(({ name, title }) => `  ${name.padEnd(17)} ${title}`).join('\n')}
  istiod            a change until ten node proxies have it, full syncs, CPU and memory of the control plane
  race              all but istiod

  --rounds N        how often each contestant is measured (default 5)
  --seconds S       how long each measurement counts (default 2)
  --only X          of the contestants ${contestants.map(({ name }) => name).join(', ')}; more than one by commas;
                    of istiod ${meshes.map(({ name }) => name).join(', ')}
  --node-proxy FILE another node proxy that speaks ZDS and WDS: {"name": …, "command": [PROGRAM, …], "env": {…}}
  --minutes M       begin no second or later round of a case once so much time has passed
  --quiet CORES     measure while others keep fewer cores busy: waits for it, and measures again what they disturbed
  --baseline FILE   an earlier run's file: shows how its ratios have changed
  --out FILE        where the values go, one JSON object a line (default a new file in .bench/)
`
const root = join(import.meta.dirname, '..', '..')

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const command = parseBenchOptions(args, caseNames)
  try {
    switch (command.kind) {
      case 'help':
        process.stdout.write(HELP)
        return 0
      case 'refuse':
        say(command.line)
        return 2
      case 'run':
        return await run(command.options, args)
    }
  } catch (cause) {
    say(errorText(cause))
    return 1
  }
}

async function run(options: BenchOptions, args: readonly string[]): Promise<number> {
  const measure = measurementOf(options)
  if (typeof measure === 'string') {
    say(measure)
    return 2
  }
  const baseline = options.baseline === undefined ? [] : parseSamples(readFileSync(options.baseline, 'utf8'))
  await bench(options, measure, { baseline, run: aboutRun(args) })
  return 0
}

type Measure = (deps: RaceDeps) => Promise<void>

/** @returns A line of what is wrong, when there is no such contestant. */
function measurementOf({ name, rounds, seconds, only, nodeProxies }: BenchOptions): Measure | string {
  if (name === ISTIOD) {
    const chosen = chooseByName(meshes, only)
    if (typeof chosen === 'string') return chosen
    return (deps) => measureIstiod({ meshes: chosen, rounds, seconds }, deps)
  }
  const others = nodeProxies.map((path) => withNodeProxy(readNodeProxyFile(path)))
  const chosen = chooseByName([...contestants, ...others], only)
  if (typeof chosen === 'string') return chosen
  return async (deps) => {
    await installExtras(chosen.flatMap(({ extras }) => extras))
    await measureAll({ cases: casesNamed(name), contestants: chosen, rounds, seconds, report: say }, deps)
  }
}

async function bench(
  options: BenchOptions,
  measure: Measure,
  { baseline, run: about }: { readonly baseline: readonly BenchSample[]; readonly run: BenchRun },
): Promise<void> {
  const { name, rounds, seconds } = options
  const out = options.out ?? join(root, '.bench', `${name}-${timestamp()}.jsonl`)
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, `${JSON.stringify(about)}\n`) // now, while nothing has been measured that a wrong name could lose
  say(`${about.machine}, load ${loadAverage()}`)
  const samples: BenchSample[] = []
  const onSample = (sample: BenchSample): void => {
    samples.push(sample)
    appendFileSync(out, `${JSON.stringify(sample)}\n`)
    const { round, contestant, value, unit } = sample
    say(`round ${round} of ${rounds}: ${contestant}: ${sample.case}: ${value.toFixed(2)} ${unit}`)
  }
  await measure(raceDeps(options, onSample))
  const rows = summarise(samples, baseline)
  process.stdout.write(`${renderTable(rows)}\n\n${renderChart(rows)}\n`)
  say(`${rounds} rounds of ${seconds} s each; values in ${relative(process.cwd(), out)}`)
}

/** What says which runs may be set side by side. */
function aboutRun(args: readonly string[]): BenchRun {
  const [{ model } = { model: 'unknown processor' }] = cpus()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  return {
    machine: `${hostname()}: ${cpus().length} cores (${model.trim()}), ${memory}, Linux ${release()}, Node ${process.version}`,
    command: `npm run bench -- ${args.join(' ')}`,
    day: new Date(systemClock.nowMs()).toISOString().slice(0, 10),
  }
}

function raceDeps({ quiet, minutes }: BenchOptions, onSample: (sample: BenchSample) => void): RaceDeps {
  const lateMs = systemClock.monotonicMs() + minutes * 60_000
  return {
    isLate: () => systemClock.monotonicMs() > lateMs,
    untilQuiet: async () => {
      if (quiet < Infinity && !(await untilQuiet(quiet)))
        say(`others have not kept below ${quiet} cores for ten minutes; measuring all the same`)
    },
    watchMachine,
    isQuiet: (foreign) => foreign < quiet,
    onSample,
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
