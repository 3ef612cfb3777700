import { spawn } from 'node:child_process'
import type { Step } from './steps.ts'

export interface Count {
  readonly passed: number
  readonly failed: number
}

export interface StepOptions {
  readonly folder: string
  readonly write: (text: string) => void
}

/** Runs one after the other, all of them whatever fails, and says the output of those that failed. */
export async function runSteps(steps: readonly Step[], options: StepOptions): Promise<Count> {
  let failed = 0
  for (const step of steps) {
    const startMs = performance.now()
    const { code, output } = await run(step, options.folder, () => undefined)
    if (code !== 0) failed++
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
    const line = `${code === 0 ? 'ok  ' : 'FAIL'} ${step.name} (${seconds} s)\n`
    options.write(code === 0 ? line : `${output.trimEnd()}\n${line}`)
  }
  return { passed: steps.length - failed, failed }
}

/** Runs the tests with their output shown as it comes. A run that ends badly or without a count is at least one failure. */
export async function runTests(step: Step, { folder, write }: StepOptions): Promise<Count> {
  const { code, output } = await run(step, folder, write)
  return countOf(output, code)
}

export function countOf(output: string, code: number): Count {
  const found = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1)
  const passed = Number(found?.[1] ?? 0)
  const failed = Number(found?.[2] ?? 0)
  return { passed, failed: failed === 0 && (code !== 0 || found === undefined) ? 1 : failed }
}

function run(
  step: Step,
  folder: string,
  write: (text: string) => void,
): Promise<{ readonly code: number; readonly output: string }> {
  const [program, ...args] = step.command
  const { promise, resolve } = Promise.withResolvers<{ readonly code: number; readonly output: string }>()
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const take = (chunk: Buffer): void => {
    write(chunk.toString())
    output = (output + chunk.toString()).slice(-100_000)
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  child.on('error', (cause) => resolve({ code: 1, output: `cannot start ${program}: ${cause.message}` }))
  child.on('close', (code) => resolve({ code: code ?? 1, output }))
  return promise
}
