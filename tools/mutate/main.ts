/** `npm run mutate [-- PROJECT]`: changes each source file of a package in every small way there is, and counts what its tests notice. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { mutantsOf } from './make-mutants.ts'
import { tryMutants, tryUnchanged } from './try-mutants.ts'

/** Of all mutants, in percent. */
const GOAL = 95
const DEADLINE_MS = 60_000
const [name = 'policy'] = process.argv.slice(2)

process.exitCode = await mutate(join(import.meta.dirname, '..', '..', 'packages', name, 'src'))

async function mutate(folder: string): Promise<number> {
  if (!existsSync(folder)) {
    process.stderr.write(`mutate: there is no package "${name}"\n`)
    return 2
  }
  const files = readdirSync(folder).filter((file) => file.endsWith('.ts'))
  const tests = files.filter((file) => file.endsWith('.test.ts')).map((file) => join(folder, file))
  // Properties take longest and find what is left.
  const settings = {
    folder,
    tests: tests.toSorted((a, b) => Number(a.includes('.property.')) - Number(b.includes('.property.'))),
    threads: availableParallelism(),
    deadlineMs: DEADLINE_MS,
  }
  const broken = await tryUnchanged(settings)
  if (broken !== undefined) {
    process.stdout.write(`mutate: without a mutant a test fails: ${broken}\n`)
    return 1
  }
  const mutants = files
    .filter((file) => !file.endsWith('.test.ts'))
    .map((file) => join(folder, file))
    .flatMap((file) => mutantsOf(file, readFileSync(file, 'utf8')))
  const results = await tryMutants(mutants, settings)
  const alive = results.filter(({ killedBy }) => killedBy === undefined)
  for (const { mutant } of alive)
    process.stdout.write(
      `survives: ${mutant.file.slice(folder.length + 1)}:${mutant.line} ${mutant.before} → ${mutant.after}\n`,
    )
  const killed = results.length - alive.length
  const rate = (100 * killed) / results.length
  process.stdout.write(
    `${name}: ${killed} of ${results.length} mutants killed, ${rate.toFixed(1)} % (goal ${GOAL} %)
`,
  )
  return rate >= GOAL ? 0 : 1
}
