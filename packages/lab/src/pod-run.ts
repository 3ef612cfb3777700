import { errorText, Backoff } from '@ambient/lifecycle'
import type { Clock, Random } from '@ambient/lifecycle'
import { formatHostPort } from '@ambient/model'
import { LabProcess } from './lab-process.ts'
import { listeningPorts } from './pod-readiness.ts'
import type { ContainerSpec, PodSpec } from './pod-spec.ts'
import type { PodObservation } from './pod-status.ts'
import { runCommand } from './run-command.ts'
import { mountVolumes, refreshTokens, tokenLifeMs } from './pod-volumes.ts'
import type { VolumeDeps } from './pod-volumes.ts'

/** Whose files a program in a pod sees. */
export type PodFiles = 'own' | 'host'

/** What a pod's programs run in. */
export interface Sandbox {
  readonly ips: readonly string[]
  /** A process in its network namespace, as the host numbers it. */
  readonly pid: number
  /** Where volumes lie, as its programs see it. */
  readonly volumeDirectory: string
  commandLine(argv: readonly string[], container: string, files?: PodFiles): readonly string[]
  remove(): Promise<void>
}

export interface PodRunDeps {
  readonly hostIp: string
  readonly openSandbox: (spec: PodSpec) => Promise<Sandbox>
  readonly volumes: Omit<VolumeDeps, 'run' | 'directory'>
  /** Whether an HTTP probe of a kubelet gets an answer below 400. */
  readonly probe: (url: string) => Promise<boolean>
  readonly logFile: (spec: PodSpec, container: string) => string
  readonly writeStatus: (spec: PodSpec, seen: PodObservation) => Promise<void>
  readonly clock: Clock
  readonly random: Random
}

const STARTING_STEP_MS = 20
const STEADY_STEP_MS = 200
const STARTING_PROBE_MS = 100
const STEADY_PROBE_MS = 1_000
const MAX_EVENTS = 100

/** One pod from its first sandbox to its last process, as a kubelet keeps it. Containers that end are not restarted. */
export class PodRun {
  readonly spec: PodSpec
  readonly #deps: PodRunDeps
  readonly #ended = new AbortController()
  readonly #containers = new Map<string, LabProcess>()
  readonly #events: string[] = []
  readonly #life: Promise<void>
  #sandbox: Sandbox | undefined
  #seen: PodObservation
  #probedAtMs = 0

  constructor(spec: PodSpec, deps: PodRunDeps) {
    this.spec = spec
    this.#deps = deps
    this.#seen = {
      phase: 'Pending',
      isReady: false,
      podIps: [],
      hostIp: deps.hostIp,
      startedAt: undefined,
      containers: spec.containers.map(({ name }) => ({ name, isRunning: false, exitCode: undefined })),
      message: undefined,
    }
    this.#life = this.#live().catch((cause: unknown) => this.#fail(cause))
  }

  get seen(): PodObservation {
    return this.#seen
  }

  get sandbox(): Sandbox | undefined {
    return this.#sandbox
  }

  /** What went wrong on the way, oldest first; a real kubelet would make Events of it. */
  get events(): readonly string[] {
    return this.#events
  }

  container(name: string): LabProcess | undefined {
    return this.#containers.get(name)
  }

  /** Starts a container again that has ended. */
  async restart(name: string): Promise<void> {
    const spec = this.spec.containers.find((container) => container.name === name)
    if (spec === undefined || this.#sandbox === undefined || this.#containers.get(name)?.isRunning === true)
      return
    await this.#startContainer(spec, this.#sandbox)
    this.#probedAtMs = 0 // what the one before answered says nothing about this one
    await this.#change({ isReady: false })
    await this.observe()
  }

  /** Looks how it is now, and writes it down. */
  async observe(): Promise<void> {
    const containers = this.spec.containers.map(({ name }) => {
      const process = this.#containers.get(name)
      return { name, isRunning: this.#hasStarted(name, process), exitCode: process?.status }
    })
    const areRunning = containers.every(({ isRunning }) => isRunning)
    const isReady = areRunning && this.#isListening() && (await this.#isAnswering())
    await this.#change({ phase: 'Running', isReady, containers })
  }

  /** Stops looking after it; what runs, runs. */
  async abandon(): Promise<void> {
    this.#ended.abort()
    await this.#life
  }

  /** Ends its programs, takes its network away and forgets it. */
  async stop(): Promise<void> {
    await this.abandon()
    for (const container of this.#containers.values()) await container[Symbol.asyncDispose]()
    await this.#sandbox?.remove().catch((cause: unknown) => this.#note(cause))
  }

  async #live(): Promise<void> {
    const { signal } = this.#ended
    await this.#deps.writeStatus(this.spec, this.#seen)
    const sandbox = await this.#untilSandbox(signal)
    if (sandbox === undefined) return
    await this.#change({
      podIps: sandbox.ips,
      startedAt: new Date(this.#deps.clock.nowMs()).toISOString(),
      message: undefined,
    })
    await mountVolumes(this.spec, this.#volumeDeps(sandbox))
    for (const container of this.spec.containers) await this.#startContainer(container, sandbox)
    const life = tokenLifeMs(this.spec)
    let refreshAtMs = life === undefined ? Infinity : this.#deps.clock.monotonicMs() + life
    while (!signal.aborted) {
      await this.observe()
      await this.#deps.clock
        .sleep(this.#seen.isReady ? STEADY_STEP_MS : STARTING_STEP_MS, signal)
        .catch(() => {}) // rejects only when it is to end
      if (this.#deps.clock.monotonicMs() < refreshAtMs || life === undefined) continue
      await refreshTokens(this.spec, this.#volumeDeps(sandbox))
      refreshAtMs = this.#deps.clock.monotonicMs() + life
    }
  }

  /** CNI may ask to try again later, and a node that is starting does: as often as it takes, each time a new sandbox. */
  async #untilSandbox(signal: AbortSignal): Promise<Sandbox | undefined> {
    const backoff = new Backoff({ firstMs: 100, factor: 2, maxMs: 2_000, jitter: 0.2 }, this.#deps.random)
    while (!signal.aborted) {
      try {
        this.#sandbox = await this.#deps.openSandbox(this.spec)
        return this.#sandbox
      } catch (cause) {
        this.#note(cause)
        await this.#change({ message: `FailedCreatePodSandBox: ${errorText(cause)}` })
        await this.#deps.clock.sleep(backoff.nextMs(), signal).catch(() => {}) // rejects only when it is to end
      }
    }
    return undefined
  }

  async #startContainer(container: ContainerSpec, sandbox: Sandbox): Promise<void> {
    const { namespace, name } = this.spec
    const process = await LabProcess.start({
      name: `${namespace}/${name} ${container.name}`,
      argv: sandbox.commandLine(container.argv, container.name),
      logFile: this.#deps.logFile(this.spec, container.name),
      env: { HOSTNAME: name, ...container.env },
    })
    this.#containers.set(container.name, process)
  }

  /** Looked at until it has: a program that does not exist is found out only when it is to run. */
  #hasStarted(name: string, process: LabProcess | undefined): boolean {
    const wasRunning = this.#seen.containers.some((seen) => seen.name === name && seen.isRunning)
    return process?.isRunning === true && (wasRunning || process.facts !== undefined)
  }

  #isListening(): boolean {
    const wanted = this.spec.containers.flatMap(({ tcpPorts }) => tcpPorts)
    if (wanted.length === 0) return true
    const open = listeningPorts(this.#sandbox?.pid ?? 0)
    return wanted.every((port) => open.has(port))
  }

  /** A pod is asked often until it is ready, and then once a second. */
  async #isAnswering(): Promise<boolean> {
    const probes = this.spec.containers.flatMap(({ probe }) => (probe === undefined ? [] : [probe]))
    if (probes.length === 0) return true
    const ip = this.#sandbox?.ips[0] ?? ''
    const nowMs = this.#deps.clock.monotonicMs()
    const { isReady } = this.#seen
    if (nowMs < this.#probedAtMs + (isReady ? STEADY_PROBE_MS : STARTING_PROBE_MS)) return isReady
    this.#probedAtMs = nowMs
    const answers = await Promise.all(
      probes.map(({ port, path }) => this.#deps.probe(`http://${formatHostPort(ip, port)}${path}`)),
    )
    return answers.every((isGood) => isGood)
  }

  async #change(change: Partial<PodObservation>): Promise<void> {
    const next = { ...this.#seen, ...change }
    if (JSON.stringify(next) === JSON.stringify(this.#seen)) return
    this.#seen = next
    await this.#deps.writeStatus(this.spec, next)
  }

  async #fail(cause: unknown): Promise<void> {
    this.#note(cause)
    if (!this.#ended.signal.aborted)
      await this.#change({ phase: 'Failed', isReady: false, message: errorText(cause) }).catch(() => {})
  }

  #note(cause: unknown): void {
    if (this.#events.length < MAX_EVENTS) this.#events.push(errorText(cause))
  }

  #volumeDeps(sandbox: Sandbox): VolumeDeps {
    return {
      ...this.#deps.volumes,
      directory: sandbox.volumeDirectory,
      run: (argv, options) => runCommand(sandbox.commandLine(argv, 'volumes'), options),
    }
  }
}
