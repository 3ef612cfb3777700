import { LabError } from './lab-error.ts'
import type { LabProcess } from './lab-process.ts'
import type { LabPod } from './lab-pod.ts'
import type { PodRun } from './pod-run.ts'

export interface AppStats {
  readonly name: string
  readonly pid: number
  /** User and system time of all its threads since its start. */
  readonly cpuMs: number
  readonly rssBytes: number
}

/** One of the mesh's own programs: `istiod`, `ztunnel@node1`, `agent@node2`. */
export class LabApp {
  readonly name: string
  readonly pod: LabPod
  readonly #find: () => PodRun | undefined

  constructor(name: string, pod: LabPod, find: () => PodRun | undefined) {
    this.name = name
    this.pod = pod
    this.#find = find
  }

  get isRunning(): boolean {
    return this.#process().isRunning
  }

  /** As the host numbers it. @throws {LabError} `NOT_FOUND` when it does not run */
  get pid(): number {
    return this.stats().pid
  }

  /** @returns once it has ended; not for signals that end nothing */
  async kill(signal: NodeJS.Signals): Promise<void> {
    await this.#process().kill(signal)
    await this.#find()?.observe()
  }

  /** Starts it again after its end, as its node would. */
  async start(): Promise<void> {
    const [name] = this.#names()
    if (name !== undefined) await this.#find()?.restart(name)
  }

  /** @throws {LabError} `TIMEOUT` */
  ready(deadlineMs = 60_000): Promise<void> {
    return this.pod.ready(deadlineMs)
  }

  /** All its output since the lab went up, restarts included. */
  logs(): string {
    return this.#process().logs()
  }

  /** The first line of all its output that matches. @throws {LabError} `TIMEOUT`, with its last lines */
  waitForLog(pattern: RegExp, deadlineMs = 10_000): Promise<string> {
    return this.#process().waitForLog(pattern, deadlineMs)
  }

  stats(): AppStats {
    const { facts } = this.#process()
    if (facts === undefined) throw new LabError('NOT_FOUND', `${this.name} does not run`)
    return { name: this.name, pid: facts.pid, cpuMs: facts.cpuMs, rssBytes: facts.rssBytes }
  }

  #names(): readonly string[] {
    return this.#find()?.spec.containers.map(({ name }) => name) ?? []
  }

  #process(): LabProcess {
    const process = this.#names().map((name) => this.#find()?.container(name))[0]
    if (process === undefined)
      throw new LabError('NOT_FOUND', `${this.name} has not been started in this lab`)
    return process
  }
}
