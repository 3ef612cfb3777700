/** `npm test`: every project's tests, then one plain line `N passed, N failed`. Skipped, empty and crashed count as failed. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { countResults, type Counted } from './count-results.ts'

const root = join(import.meta.dirname, '..', '..')
const reports = mkdtempSync(join(tmpdir(), 'ambient-tests-'))
const wanted = process.argv.slice(2)

let passed = 0
let failed = 0
try {
  for (const project of projects()) {
    const startMs = performance.now()
    const { code, output } = await runTests(project)
    const counted = readReport(project, code)
    passed += counted.passed
    failed += counted.failed
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
    process.stdout.write(
      `${counted.failed === 0 ? 'ok  ' : 'FAIL'} ${project.padEnd(24)} ${counted.passed} passed, ${counted.failed} failed (${seconds} s)\n`,
    )
    if (counted.failed > 0) process.stdout.write(`${[...counted.reasons, output].join('\n')}\n`)
  }
} finally {
  rmSync(reports, { recursive: true, force: true })
}
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

/** In the order of the layers, so that the first failure is the deepest. Projects that hold no source yet are left out. */
function projects(): readonly string[] {
  const named = ['packages', 'apps'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .toSorted()
      .map((name) => `${folder}/${name}`),
  )
  const all = [...named, 'e2e', 'tools'].filter(
    (project) => existsSync(join(root, project, 'package.json')) && hasTests(join(root, project)),
  )
  return wanted.length === 0
    ? all
    : all.filter((project) => wanted.some((name) => project === name || project.endsWith(`/${name}`)))
}

function hasTests(folder: string): boolean {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).some(
    (name) =>
      (name.endsWith('.ts') &&
        /^(src|test|bench|check|demo)\//.test(name) &&
        !name.endsWith('src/index.ts')) ||
      name.endsWith('.test.ts'),
  )
}

function runTests(project: string): Promise<{ readonly code: number; readonly output: string }> {
  const args = [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${reportOf(project)}`,
  ]
  const { promise, resolve } = Promise.withResolvers<{ readonly code: number; readonly output: string }>()
  const child = spawn(process.execPath, args, {
    cwd: join(root, project),
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-20_000)
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  child.on('close', (code) => resolve({ code: code ?? 1, output }))
  return promise
}

function reportOf(project: string): string {
  return join(reports, `${project.replaceAll('/', '-')}.json`)
}

function readReport(project: string, code: number): Counted {
  if (!existsSync(reportOf(project)))
    return {
      passed: 0,
      failed: 1,
      reasons: [`${project}: the test run ended with ${code} and left no report`],
    }
  return countResults(readFileSync(reportOf(project), 'utf8'), code)
}
