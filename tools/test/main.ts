/**
 * `npm test [-- OPTION... NAME...]`: every project's tests, or those of the named ones, then one plain line `N passed, N failed`.
 * With `--long` also the files `*.long.test.ts`, which would take the whole past ten minutes.
 * Of them only files with one of `--file TEXT` in their names; with `--redirect MODE` and `--families FAMILIES`, labs of `e2e`
 * are made so. With `--debug-memory` the memory that C sees is checked.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readProjects } from '../sync/project.ts'
import { chooseProjects } from './choose-projects.ts'
import { type ProjectResult, runProject } from './run-project.ts'

const PROJECT_LIMIT_MS = 8 * 60_000
const root = join(import.meta.dirname, '..', '..')
const { values, positionals } = parseArgs({
  options: {
    'allow-skip': { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    file: { type: 'string', multiple: true, default: [] },
    redirect: { type: 'string' },
    families: { type: 'string' },
    'debug-memory': { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const controller = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => controller.abort())

try {
  process.exitCode = await runAll()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.stdout.write('0 passed, 1 failed\n')
  process.exitCode = 1
}

/** One project after the other: tests that make namespaces, or measure, have the machine to themselves. */
async function runAll(): Promise<number> {
  const all = readProjects(root).map(({ folder }) => folder)
  const reports = mkdtempSync(join(tmpdir(), 'ambient-tests-'))
  let passed = 0
  let failed = 0
  try {
    for (const project of chooseProjects(all, positionals)) {
      const result = await runProject({
        root,
        project,
        reports,
        files: values.file,
        environment: environment(),
        allowSkip: values['allow-skip'],
        limitMs: PROJECT_LIMIT_MS,
        signal: controller.signal,
      })
      if (controller.signal.aborted) return 130
      show(project, result)
      passed += result.passed
      failed += result.failed
    }
  } finally {
    rmSync(reports, { recursive: true, force: true })
  }
  if (failed > 0 && process.getuid?.() !== 0) {
    const names = positionals.length === 0 ? '' : ` -- ${positionals.join(' ')}`
    process.stdout.write(`Tests of namespaces need root, run: sudo env PATH="$PATH" npm test${names}\n`)
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  return failed === 0 && passed > 0 ? 0 : 1
}

/** What the options mean to the tests; a file that is asked for by name may be a long one. */
function environment(): Readonly<Record<string, string>> {
  return {
    TEST_LONG: values.long || values.file.length > 0 ? '1' : '0',
    ...(values['debug-memory'] ? { AMBIENT_DEBUG_MEMORY: '1' } : {}),
    ...(values.redirect === undefined ? {} : { LAB_REDIRECT: values.redirect }),
    ...(values.families === undefined ? {} : { LAB_FAMILIES: values.families }),
  }
}

function show(project: string, { passed, failed, skipped, reasons, output, seconds }: ProjectResult): void {
  const left = skipped === 0 ? '' : `, ${skipped} skipped`
  process.stdout.write(
    `${failed === 0 ? 'ok  ' : 'FAIL'} ${project.padEnd(22)} ${passed} passed, ${failed} failed${left} (${seconds.toFixed(1)} s)\n`,
  )
  if (failed > 0) process.stdout.write(`${output.trimEnd()}\n${reasons.join('\n')}\n`)
}
