import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { errorText } from '@ambient/lifecycle'
import { LabError } from './lab-error.ts'
import { childrenOf } from './process-table.ts'
import type { ProcessFacts } from './process-table.ts'
import { commandEnvironment, describeArgv, exitStatus, isGone, killGroup } from './run-command.ts'
import { waitFor } from './wait-for.ts'

export interface ProcessOptions {
  /** What messages call it, such as `ztunnel@node1`. */
  readonly name: string
  readonly argv: readonly string[]
  /** Everything it says is added to this file. */
  readonly logFile: string
  readonly env?: Readonly<Record<string, string>>
}

/** A program that goes on running in some namespaces, behind `nsenter`. */
export class LabProcess implements AsyncDisposable {
  readonly name: string
  readonly logFile: string
  readonly #child: ChildProcess
  #status: number | undefined
  /** Resolves with the exit status, as a shell counts it. */
  readonly exited: Promise<number>

  private constructor(options: ProcessOptions, child: ChildProcess) {
    this.name = options.name
    this.logFile = options.logFile
    this.#child = child
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#status = exitStatus(code, signal)
        resolve(this.#status)
      })
    })
  }

  /** @throws {LabError} `COMMAND_FAILED` when it cannot be started at all */
  static async start(options: ProcessOptions): Promise<LabProcess> {
    const [program = '', ...args] = options.argv
    const log = openSync(options.logFile, 'a')
    try {
      const env = commandEnvironment(options.env)
      const child = spawn(program, args, { detached: true, env, stdio: ['pipe', log, log] })
      child.stdin?.on('error', () => {}) // it may end before it has read everything; `exited` tells
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve)
        child.once('error', (cause) => {
          reject(
            new LabError(
              'COMMAND_FAILED',
              `Cannot start ${options.name}: ${describeArgv(options.argv)}: ${cause.message}`,
              { cause },
            ),
          )
        })
      })
      return new LabProcess(options, child)
    } finally {
      closeSync(log)
    }
  }

  get isRunning(): boolean {
    return this.#status === undefined
  }

  /** Its exit status, once it has ended. */
  get status(): number | undefined {
    return this.#status
  }

  /** The program itself, the one child of the `nsenter` that led into its namespaces; undefined before and after its time. */
  get facts(): ProcessFacts | undefined {
    if (!this.isRunning || this.#child.pid === undefined) return undefined
    return childrenOf(this.#child.pid).find(({ pid }) => !isEntering(pid))
  }

  /** Gives it `text` on standard input. */
  write(text: string): void {
    this.#child.stdin?.write(text)
  }

  /** Ends its standard input. */
  end(): void {
    this.#child.stdin?.end()
  }

  /** Everything it and its predecessors with the same log file have said. */
  logs(): string {
    return readFileSync(this.logFile, 'utf8')
  }

  /**
   * Waits for a line that matches, among those said already too.
   *
   * @returns the line
   * @throws {LabError} `TIMEOUT`, with the last lines
   */
  waitForLog(pattern: RegExp, deadlineMs: number): Promise<string> {
    return waitForLine(this.logFile, { what: this.name, pattern, deadlineMs })
  }

  /** Sends a signal to the program and, for a deadly one, waits for its end. */
  async kill(signal: NodeJS.Signals, deadlineMs = 10_000): Promise<void> {
    const { facts } = this
    if (facts === undefined) return
    sendSignal(facts.pid, signal)
    if (['SIGSTOP', 'SIGCONT', 'SIGUSR1', 'SIGUSR2', 'SIGHUP'].includes(signal)) return
    await waitFor(`${this.name} to end on ${signal}`, () => !this.isRunning, deadlineMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning && this.#child.pid !== undefined) killGroup(this.#child.pid, 'SIGKILL')
    await this.exited
  }
}

/** The first line of a log file that matches. @throws {LabError} `TIMEOUT`, with the last lines */
async function waitForLine(
  logFile: string,
  options: { readonly what: string; readonly pattern: RegExp; readonly deadlineMs: number },
): Promise<string> {
  const { what, pattern, deadlineMs } = options
  const text = (): string => readFileSync(logFile, 'utf8')
  try {
    return await waitFor(
      `${what} to log ${pattern}`,
      () =>
        text()
          .split('\n')
          .find((line) => pattern.test(line)),
      deadlineMs,
    )
  } catch (cause) {
    const message = errorText(cause)
    throw new LabError(
      'TIMEOUT',
      `${message}; its last lines:\n${text().split('\n').slice(-20).join('\n')}`,
      { cause },
    )
  }
}

/** Whether a process has not yet become the program that `nsenter` was asked for. */
function isEntering(pid: number): boolean {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`)) === 'nsenter'
  } catch {
    return true // it has ended
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (cause) {
    if (!isGone(cause)) throw cause
  }
}
