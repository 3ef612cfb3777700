/** `npm run fuzz [-- --seconds N] [NAME...]`: each reader of what others send gets inputs that nobody would send; ends with `N passed, N failed`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { Fuzzed } from './fuzz.ts'
import type { FuzzJob } from './fuzz-thread.ts'
import { fuzzTargets } from './fuzz-targets.ts'

const ROUND_SECONDS = 10
/** A target that is still at one input so long after its time hangs. */
const HANG_MS = 60_000

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string' } },
  allowPositionals: true,
})
const names = fuzzTargets.map(({ name }) => name)
const unknown = positionals.find((name) => !names.includes(name))
const seconds = Number(values.seconds ?? ROUND_SECONDS)
if (unknown !== undefined || !(seconds > 0)) {
  process.stderr.write(`Usage: npm run fuzz [-- --seconds N] [NAME...]; names: ${names.join(', ')}\n`)
  process.exitCode = 2
} else process.exitCode = await main(positionals.length === 0 ? names : positionals)

/** Without a time: round after round, and what is found is kept, until somebody stops it or a target fails. */
async function main(chosen: readonly string[]): Promise<number> {
  for (let round = 1; ; round++) {
    const failed = await fuzzAll(chosen, round)
    if (failed === 0 && values.seconds === undefined) continue
    process.stdout.write(`${chosen.length - failed} passed, ${failed} failed\n`)
    return failed === 0 ? 0 : 1
  }
}

async function fuzzAll(chosen: readonly string[], seed: number): Promise<number> {
  let failed = 0
  const queue = chosen.values()
  const lane = async (): Promise<void> => {
    for (const name of queue) {
      const file = join(import.meta.dirname, 'corpus', `${name}.txt`)
      const corpus = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
      const { inputs, corpus: kept, failure } = await run({ name, corpus, seed, seconds })
      const found = kept.length - corpus.length
      process.stdout.write(
        `${failure === undefined ? 'ok  ' : 'FAIL'} ${name}: ${inputs} inputs, ${found} of a new kind\n`,
      )
      if (failure !== undefined) process.stdout.write(`${failure.error}\n  for the input ${failure.input}\n`)
      if (failure !== undefined) failed++
      if (values.seconds === undefined && found > 0) writeFileSync(file, `${kept.join('\n')}\n`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, lane))
  return failed
}

async function run(job: FuzzJob): Promise<Fuzzed> {
  const worker = new Worker(new URL('./fuzz-thread.ts', import.meta.url))
  const { promise, resolve, reject } = Promise.withResolvers<Fuzzed>()
  const hang = setTimeout(
    () => resolve({ inputs: 0, corpus: job.corpus, failure: { input: '?', error: `${job.name} hangs` } }),
    job.seconds * 1000 + HANG_MS,
  )
  worker.once('message', resolve)
  worker.once('error', reject)
  worker.postMessage(job, [])
  try {
    return await promise
  } finally {
    clearTimeout(hang)
    await worker.terminate()
  }
}
