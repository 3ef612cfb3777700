import { LabError } from './lab-error.ts'
import { LabProcess } from './lab-process.ts'
import type { PodFiles, PodRun } from './pod-run.ts'
import type { CommandOptions, CommandResult } from './run-command.ts'
import { runCommand } from './run-command.ts'
import { waitFor } from './wait-for.ts'

export interface LabPodDeps {
  /** The run of that pod, or undefined while there is none. */
  readonly find: () => PodRun | undefined
  /** Why there is none, when that is known. */
  readonly problem: () => string | undefined
  /** A log file for a program started by hand. */
  readonly newLogFile: () => string
  /** Ended with the lab at the latest. */
  readonly own: (process: LabProcess) => void
}

/** A pod by its name, whether it is there yet or not. */
export class LabPod {
  readonly name: string
  readonly #deps: LabPodDeps
  readonly #files: PodFiles

  constructor(name: string, deps: LabPodDeps, files: PodFiles = 'own') {
    this.name = name
    this.#deps = deps
    this.#files = files
  }

  /** The same pod for programs that its own mounts hide: files are the host's, all else is the pod's. */
  withHostFiles(): LabPod {
    return new LabPod(this.name, this.#deps, 'host')
  }

  /** @throws {LabError} `NOT_FOUND` before it has one */
  get ip(): string {
    const ip = this.#run().seen.podIps[0]
    if (ip === undefined) throw new LabError('NOT_FOUND', `Pod ${this.name} has no address yet`)
    return ip
  }

  /** All of them, the primary one first. */
  get ips(): readonly string[] {
    return this.#run().seen.podIps
  }

  get uid(): string {
    return this.#run().spec.uid
  }

  get nodeName(): string {
    return this.#run().spec.nodeName
  }

  get isReady(): boolean {
    return this.#deps.find()?.seen.isReady === true
  }

  /** What went wrong while it was made. */
  get events(): readonly string[] {
    return this.#deps.find()?.events ?? []
  }

  /** @throws {LabError} `TIMEOUT`, with what stood in its way */
  async ready(deadlineMs = 60_000): Promise<void> {
    await waitFor(
      `Pod ${this.name} to be ready`,
      () => {
        if (this.isReady) return true
        throw new Error(this.#state())
      },
      deadlineMs,
    )
  }

  /**
   * Runs a program in the pod.
   *
   * @param command A text goes to a shell.
   * @returns Whatever status it ended with; a status other than 0 is no error.
   * @throws {LabError} `TIMEOUT` after `deadlineMs`, by default 30 s
   */
  exec(command: string | readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runCommand(this.#commandLine(command), options)
  }

  /** Starts a program that goes on; `write` reaches its standard input, `logs` is all it says. */
  async start(
    command: string | readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<LabProcess> {
    const process = await LabProcess.start({
      name: `${this.name}: ${typeof command === 'string' ? command : command.join(' ')}`,
      argv: this.#commandLine(command),
      logFile: this.#deps.newLogFile(),
      env,
    })
    this.#deps.own(process)
    return process
  }

  /** Everything its containers said, or the one of that name. */
  logs(container?: string): string {
    const names = this.#run()
      .spec.containers.map(({ name }) => name)
      .filter((name) => container === undefined || name === container)
    return names.map((name) => this.#run().container(name)?.logs() ?? '').join('')
  }

  #commandLine(command: string | readonly string[]): readonly string[] {
    const { sandbox } = this.#run()
    if (sandbox === undefined)
      throw new LabError('NOT_FOUND', `Pod ${this.name} has no sandbox yet: ${this.#state()}`)
    const argv = typeof command === 'string' ? ['sh', '-c', command] : command
    return sandbox.commandLine(argv, 'exec', this.#files)
  }

  #run(): PodRun {
    const run = this.#deps.find()
    if (run === undefined) throw new LabError('NOT_FOUND', `There is no pod ${this.name} in this lab`)
    return run
  }

  #state(): string {
    const run = this.#deps.find()
    if (run === undefined) return this.#deps.problem() ?? 'there is no such pod'
    const { phase, message, containers } = run.seen
    const ended = containers
      .filter(({ exitCode }) => exitCode !== undefined)
      .map(({ name, exitCode }) => `${name} ended with ${exitCode}`)
    const tail = ended.length === 0 ? '' : `: ${this.logs().trim().slice(-1000)}`
    return [`phase ${phase}`, ...(message === undefined ? [] : [message]), ...ended].join(', ') + tail
  }
}
