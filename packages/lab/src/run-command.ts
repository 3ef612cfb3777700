import { spawn } from 'node:child_process'
import { systemClock } from '@ambient/lifecycle'
import { LabError } from './lab-error.ts'
import { PROGRAM_PATH } from './requirements.ts'

export interface CommandOptions {
  /** Default 30 s; then the command and all it started is killed. */
  readonly deadlineMs?: number
  /** Given on standard input. */
  readonly input?: string
  /** Beside PATH and HOME, which every command has. */
  readonly env?: Readonly<Record<string, string>>
}

export interface CommandResult {
  /** Exit status; 128 plus the number when a signal ended it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
}

const DEFAULT_DEADLINE_MS = 30_000
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
}

/** The environment of a command; nothing of ours leaks into it. */
export function commandEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: PROGRAM_PATH, HOME: '/root', LANG: 'C.UTF-8', ...extra }
}

/** As a shell reports it. */
export function exitStatus(code: number | null, signal: string | null): number {
  return code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0)
}

/** Kills a whole process group; one that is gone is no error. */
export function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (cause) {
    if (!isGone(cause)) throw cause
  }
}

export function isGone(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ESRCH'
}

/**
 * Runs a program to its end in a process group of its own.
 *
 * @returns Whatever status it ended with; a status other than 0 is no error here.
 * @throws {LabError} `TIMEOUT` after the deadline, `COMMAND_FAILED` when it cannot be started or tells too much
 */
export function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [program = '', ...args] = argv
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS
  const startMs = systemClock.monotonicMs()
  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>()
  const child = spawn(program, args, { detached: true, env: commandEnvironment(options.env), stdio: 'pipe' })
  const kill = (): void => {
    if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL')
  }
  const timer = setTimeout(() => {
    kill()
    reject(
      new LabError(
        'TIMEOUT',
        `Still running after ${deadlineMs} ms: ${describeArgv(argv)}; ${errors.text().slice(-500)}`,
      ),
    )
  }, deadlineMs)
  const onOverflow = (): void => {
    kill()
    reject(new LabError('COMMAND_FAILED', `Wrote more than ${MAX_OUTPUT_BYTES} bytes: ${describeArgv(argv)}`))
  }
  const output = collect(child.stdout, onOverflow)
  const errors = collect(child.stderr, onOverflow)
  child.stdin.on('error', () => {}) // a program need not read what it is given
  child.stdin.end(options.input ?? '')
  child.on('error', (cause) => {
    clearTimeout(timer)
    reject(new LabError('COMMAND_FAILED', `Cannot start ${describeArgv(argv)}: ${cause.message}`, { cause }))
  })
  child.on('close', (code, signal) => {
    clearTimeout(timer)
    const ms = systemClock.monotonicMs() - startMs
    resolve({ code: exitStatus(code, signal), stdout: output.text(), stderr: errors.text(), ms })
  })
  return promise
}

/** @throws {LabError} `COMMAND_FAILED` for any status but 0, with what the program said; and as `runCommand` */
export async function mustRun(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const result = await runCommand(argv, options)
  if (result.code === 0) return result
  const said = `${result.stderr}${result.stdout}`.trim().slice(-2000)
  throw new LabError('COMMAND_FAILED', `Ended with status ${result.code}: ${describeArgv(argv)}: ${said}`)
}

export function describeArgv(argv: readonly string[]): string {
  const text = argv.join(' ').replaceAll('\n', ' ; ')
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}

function collect(stream: NodeJS.ReadableStream, onOverflow: () => void): { text(): string } {
  const chunks: Buffer[] = []
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > MAX_OUTPUT_BYTES) return onOverflow()
    chunks.push(chunk)
  })
  return { text: () => Buffer.concat(chunks).toString('utf8') }
}
