/** `npm run h2spec [-- --write]`: h2spec against our HBONE server; ends with `N passed, N failed`. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildRunner, type Flavour } from './build-runner.ts'
import { exceptions } from './exceptions.ts'
import { judge } from './judge.ts'
import { h2specPage } from './page.ts'
import { type CaseOutcome, runCases } from './run-cases.ts'

const HELP = `Usage: npm run h2spec [-- --write]

Every case of h2spec against our HBONE server. Needs Go 1.21 and its modules.

  --write    make docs/h2spec.md of what was seen, instead of comparing
`
const PAGE = join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'h2spec.md')
const { values } = parseArgs({
  options: { write: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
})

process.exitCode = values.help ? say(HELP, 0) : await main()

async function main(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'ambient-h2spec-'))
  try {
    const plain = prepare(folder, 'plain')
    const connect = plain && prepare(folder, 'connect')
    if (plain === undefined || connect === undefined) return say('0 passed, 0 failed\n', 0)
    const [plainOutcomes, connectOutcomes] = await Promise.all([plain(), connect()])
    return conclude({ plain: plainOutcomes, connect: connectOutcomes })
  } catch (error) {
    return say(`${error instanceof Error ? error.message : String(error)}\n0 passed, 1 failed\n`, 1)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** @returns `undefined` when it cannot be run here; that has been said. */
function prepare(folder: string, flavour: Flavour): (() => Promise<readonly CaseOutcome[]>) | undefined {
  const own = join(folder, flavour)
  mkdirSync(own)
  const build = buildRunner(own, flavour)
  if (build.kind === 'failed') throw new Error(`h2spec cannot be built: ${build.reason}`)
  if (build.kind === 'built') return () => runCases(flavour, build.program, own)
  say(`not run: ${build.reason}\n`, 0)
  return undefined
}

function conclude(outcomes: Readonly<Record<Flavour, readonly CaseOutcome[]>>): number {
  const judged = (['plain', 'connect'] as const).map((each) => judge(each, outcomes[each], exceptions))
  const wrong = judged.flatMap((each) => each.wrong)
  const page = h2specPage(outcomes, exceptions)
  if (values.write) writeFileSync(PAGE, page)
  else if (!existsSync(PAGE) || readFileSync(PAGE, 'utf8') !== page)
    wrong.push('docs/h2spec.md says something else: npm run h2spec -- --write')
  for (const line of wrong) say(`FAIL ${line}\n`, 1)
  const passed = judged.reduce((sum, each) => sum + each.passed, 0)
  return say(`${passed} passed, ${wrong.length} failed\n`, wrong.length === 0 ? 0 : 1)
}

function say(text: string, exitCode: number): number {
  process.stdout.write(text)
  return exitCode
}
