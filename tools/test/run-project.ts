import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Counted, countResults } from './count-results.ts'

const KEPT_OUTPUT_CHARS = 20_000
const GRACE_MS = 5000

export interface ProjectRun {
  readonly root: string
  /** From the root, e.g. `packages/hbone`. */
  readonly project: string
  /** A folder for reports. */
  readonly reports: string
  /** Only test files with one of these in their names; every one when there is none. */
  readonly files: readonly string[]
  /** Added to that of the tests. */
  readonly environment: Readonly<Record<string, string>>
  readonly allowSkip: boolean
  /** Longer than this is a hang: the run is ended and counts as failed. */
  readonly limitMs: number
  readonly signal: AbortSignal
}

export interface ProjectResult extends Counted {
  readonly output: string
  readonly seconds: number
}

/** Runs the tests of one project in a process group of their own, which is gone when this returns. */
export async function runProject(run: ProjectRun): Promise<ProjectResult> {
  const startMs = performance.now()
  const report = join(run.reports, `${run.project.replaceAll('/', '-')}.json`)
  const { exitCode, output, isCut } = await runVitest(run, report)
  const counted = existsSync(report)
    ? countResults(readFileSync(report, 'utf8'), { exitCode, allowSkip: run.allowSkip })
    : failure(`the test run ended with ${exitCode} and left no report`)
  const seconds = (performance.now() - startMs) / 1000
  if (!isCut) return { ...counted, output, seconds }
  const reasons = [
    ...counted.reasons,
    `ended after ${run.limitMs / 1000} s: a test hangs, or leaves something running`,
  ]
  return { ...counted, failed: counted.failed + 1, reasons, output, seconds }
}

interface Ended {
  readonly exitCode: number
  readonly output: string
  readonly isCut: boolean
}

function runVitest(
  { root, project, files, environment, limitMs, allowSkip, signal }: ProjectRun,
  report: string,
): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>()
  const vitest = [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    ...files,
  ]
  const child = spawn(process.execPath, [...vitest, `--outputFile.json=${report}`], {
    cwd: join(root, project),
    detached: true,
    env: { ...process.env, NO_COLOR: '1', ...environment, ...(allowSkip ? { ALLOW_SKIP: '1' } : {}) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let isCut = false
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-KEPT_OUTPUT_CHARS)
  }
  const end = (): void => {
    killGroup(child.pid, 'SIGTERM')
    setTimeout(() => killGroup(child.pid, 'SIGKILL'), GRACE_MS).unref()
  }
  const limit = setTimeout(() => {
    isCut = true
    end()
  }, limitMs)
  signal.addEventListener('abort', end, { once: true })
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  child.on('error', (cause) => take(Buffer.from(`cannot start: ${cause.message}\n`)))
  child.on('exit', () => killGroup(child.pid, 'SIGKILL')) // what a test left behind would hold our pipes open
  child.on('close', (code) => {
    clearTimeout(limit)
    signal.removeEventListener('abort', end)
    resolve({ exitCode: code ?? 1, output, isCut })
  })
  return promise
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // nobody is left in the group
  }
}

function failure(reason: string): Counted {
  return { passed: 0, failed: 1, skipped: 0, reasons: [reason] }
}
