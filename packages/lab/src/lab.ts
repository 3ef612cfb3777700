import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeRef } from '@ambient/kube'
import type { ObjectRef } from '@ambient/kube'
import { systemClock } from '@ambient/lifecycle'
import { stringify } from 'yaml'
import { Capture } from './capture.ts'
import { labFamilies, type LabFamilies } from './lab-addresses.ts'
import type { LabCluster } from './lab-cluster.ts'
import { openCluster } from './lab-cluster.ts'
import { LabApp } from './lab-app.ts'
import type { AppStats } from './lab-app.ts'
import { LabError } from './lab-error.ts'
import type { LabNode } from './lab-node.ts'
import { LabLife } from './lab-life.ts'
import { LabPod } from './lab-pod.ts'
import { downOnSignals } from './lab-signals.ts'
import { nodeDirectories, removeLeftovers } from './lab-state.ts'
import type { LabId } from './lab-state.ts'
import {
  agentPod,
  appNames,
  istiodPod,
  istiodService,
  meshNamespace,
  podOfApp,
  ztunnelPod,
} from './mesh-apps.ts'
import type { LabRedirectMode, MeshEnvironment, MeshPaths } from './mesh-apps.ts'
import { parseObjectName } from './object-name.ts'
import { checkRequirements } from './requirements.ts'
import { mustRun } from './run-command.ts'
import { waitFor } from './wait-for.ts'

export interface LabOptions {
  /** Default 2. */
  readonly nodes?: number
  /** `false` leaves out istiod, agents and ztunnels, and so our plugin from the CNI chain. Default true. */
  readonly mesh?: boolean
  /** Several are one service on one directory, which needs IPv4. Default 1. */
  readonly istiods?: number
  /** Which addresses pods and services have. Default `ipv4`. */
  readonly families?: LabFamilies
  /** Default `iptables`. */
  readonly redirectMode?: LabRedirectMode
  /** Added to the environment of the mesh's own programs. */
  readonly env?: MeshEnvironment
  /** A program and its arguments in place of our ztunnel; it reads the same environment and answers the same probes. */
  readonly nodeProxy?: readonly string[]
  /** YAML texts or files, applied once the mesh is ready. */
  readonly manifests?: readonly string[]
  /** Told of what nobody waits for, such as a pod that cannot be made. */
  readonly report?: (message: string) => void
  /** Default true: SIGINT, SIGTERM and SIGHUP take the lab down before they end this process. */
  readonly downOnSignals?: boolean
}

export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

const REPOSITORY = join(import.meta.dirname, '..', '..', '..')
const APP_DEADLINE_MS = 120_000

/** Nodes and pods as namespaces of this machine, with the real mesh in them. Gone, whole, when it is disposed of. */
export class Lab implements AsyncDisposable {
  readonly #life: LabLife
  readonly #cluster: LabCluster
  readonly #count = { logs: 0, captures: 0 }
  readonly #istiods: number

  private constructor(life: LabLife, cluster: LabCluster, istiods: number) {
    this.#life = life
    this.#cluster = cluster
    this.#istiods = istiods
  }

  /** @throws {LabError} `REQUIREMENT_MISSING` in one line that says what to do, `TIMEOUT` when a part does not become ready */
  static async up(options: LabOptions = {}): Promise<Lab> {
    checkRequirements()
    await removeLeftovers()
    const life = new LabLife()
    life.families = labFamilies[options.families ?? 'ipv4']
    if (options.downOnSignals !== false) life.scope.defer(downOnSignals(() => life.end()))
    try {
      const cluster = await openCluster(
        {
          id: life.id,
          nodes: options.nodes ?? 2,
          families: labFamilies[options.families ?? 'ipv4'],
          report: (message) => (life.isEnding ? undefined : options.report?.(message)),
          onChange: () => life.record(),
        },
        life,
      )
      const lab = new Lab(life, cluster, options.istiods ?? 1)
      if (options.mesh !== false) await lab.#startMesh(options)
      for (const manifest of options.manifests ?? []) lab.apply(manifest)
      life.isReady = true
      life.record()
      return lab
    } catch (cause) {
      await life.end()
      throw cause
    }
  }

  get id(): LabId {
    return this.#life.id
  }

  /** All that this lab writes lies below it. */
  get directory(): string {
    return this.#cluster.directory
  }

  /** Those that have pods. */
  get nodes(): readonly LabNode[] {
    return this.#cluster.nodes.slice(1)
  }

  /** @param index From 1, as in its name; 0 is the one that istiod runs on. */
  node(index: number): LabNode {
    const node = this.#cluster.nodes[index]
    if (node === undefined) throw new LabError('NOT_FOUND', `There is no node ${index} in this lab`)
    return node
  }

  /** @param manifest YAML, or the name of a file of it. */
  apply(manifest: string): readonly ObjectRef[] {
    return this.#cluster.store.apply(/\.ya?ml$/.test(manifest) ? readFileSync(manifest, 'utf8') : manifest)
  }

  /** Sets labels of `namespace/shop` or `pod/shop/web`; null takes one away. */
  label(name: string, labels: Readonly<Record<string, string | null>>): void {
    this.#cluster.store.label(parseObjectName(name), labels)
  }

  /** Deletes an object; a pod ends in its proper way first. @returns once it is gone */
  async delete(name: string, deadlineMs = 15_000): Promise<void> {
    const ref = parseObjectName(name)
    const { store, resources } = this.#cluster
    if (ref.kind === 'Pod') store.terminate(ref, new Date(systemClock.nowMs()).toISOString())
    else store.remove(ref)
    const isGone = async (): Promise<boolean> =>
      !(await resources.list(ref.kind)).some(
        ({ metadata }) => metadata.name === ref.name && metadata.namespace === ref.namespace,
      )
    await waitFor(`${describeRef(ref)} to be gone`, isGone, deadlineMs)
  }

  /** @param name `shop/web` */
  pod(name: string): LabPod {
    const [namespace = '', podName = ''] = name.split('/')
    return new LabPod(name, {
      find: () => this.#cluster.kubelet.find(namespace, podName),
      problem: () => this.#cluster.kubelet.problem(name),
      newLogFile: () =>
        join(this.directory, 'logs', `${namespace}.${podName}.started-${++this.#count.logs}.log`),
      own: (process) => this.#life.scope.use(process),
    })
  }

  /** @param name `istiod`, `istiod-2`, `ztunnel@node1`, `agent@node2` */
  app(name: string): LabApp {
    const pod = podOfApp(name)
    if (pod === undefined)
      throw new LabError('NOT_FOUND', `"${name}" is none of ${this.#appNames().join(', ')}`)
    return new LabApp(name, this.pod(`istio-system/${pod}`), () =>
      this.#cluster.kubelet.find('istio-system', pod),
    )
  }

  /** Replaces the agent of each node by one that redirects in another way, as an upgrade with other settings does. */
  async redirectBy(redirectMode: LabRedirectMode, env: MeshEnvironment = {}): Promise<void> {
    for (const { index, name } of this.nodes) {
      await this.delete(`pod/istio-system/${podOfApp(`agent@${name}`) ?? ''}`)
      this.apply(stringify(agentPod(index, this.#paths(), { ...env, redirectMode })))
    }
    for (const { name } of this.nodes) await this.app(`agent@${name}`).ready(APP_DEADLINE_MS)
  }

  /** The names of all pods that run or are to run. */
  pods(): readonly string[] {
    return this.#cluster.kubelet.pods().map(({ spec }) => `${spec.namespace}/${spec.name}`)
  }

  /** Waits until every pod that was applied is ready. @throws {LabError} `TIMEOUT` */
  async ready(deadlineMs = 120_000): Promise<void> {
    await Promise.all(this.#cluster.store.pods().map((name) => this.pod(name).ready(deadlineMs)))
  }

  /** @throws {LabError} `TIMEOUT`, naming `what` and the last failure of `probe` */
  waitFor<T>(
    what: string,
    probe: () => Promise<T | undefined | false> | T | undefined | false,
    deadlineMs: number,
  ): Promise<T> {
    return waitFor(what, probe, deadlineMs)
  }

  /** Asks an app from inside its own network namespace, where its admin port is. */
  async httpGet(app: string, port: number, path: string): Promise<HttpAnswer> {
    const url = `http://127.0.0.1:${port}${path}`
    const { stdout } = await this.#must(app, [
      'curl',
      '--silent',
      '--show-error',
      '--max-time',
      '10',
      '--write-out',
      '\n%{http_code}',
      url,
    ])
    const cut = stdout.lastIndexOf('\n')
    return { status: Number(stdout.slice(cut + 1)), body: stdout.slice(0, cut) }
  }

  /** Starts a capture of everything that crosses the link between the nodes; it has proved to be live. */
  async capture(): Promise<Capture> {
    const name = `capture-${++this.#count.captures}`
    const { fabric, cgroups, directory } = this.#cluster
    const pcapFile = join(directory, 'captures', `${name}.pcap`)
    const logFile = join(directory, 'logs', `${name}.log`)
    return this.#life.scope.use(
      await Capture.open({ fabric, cgroup: cgroups.make('fabric'), pcapFile, logFile }),
    )
  }

  /** What each of the mesh's programs that run has used. */
  stats(): readonly AppStats[] {
    const running = new Set(this.pods())
    return this.#appNames()
      .filter((name) => running.has(`istio-system/${podOfApp(name) ?? ''}`))
      .map((name) => this.app(name))
      .flatMap((app) => (app.isRunning ? [app.stats()] : []))
  }

  /** Ends everything, once. @throws {LabError} `LEFT_BEHIND` when something of the lab is still there */
  down(): Promise<void> {
    return this.#life.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.down()
  }

  async #startMesh({ env = {}, redirectMode = 'iptables', nodeProxy }: LabOptions): Promise<void> {
    const nodes = this.nodes.map(({ index }) => index)
    const paths = this.#paths()
    const istiods = this.#istiods
    const objects = [
      ...meshNamespace,
      ...(istiods > 1 ? [istiodService] : []),
      ...Array.from({ length: istiods }, (_, n) => istiodPod(n + 1, paths, env)),
      ...nodes.flatMap((node) => [
        agentPod(node, paths, { ...env, redirectMode }),
        ztunnelPod(node, paths, { ...env, nodeProxy, istiods }),
      ]),
    ]
    for (const object of objects) this.apply(stringify(object))
    await Promise.all(this.#appNames().map((name) => this.app(name).ready(APP_DEADLINE_MS)))
  }

  #appNames(): readonly string[] {
    return appNames({ nodes: this.nodes.length, istiods: this.#istiods })
  }

  #paths(): MeshPaths {
    const { configDirectory, jwksFile, directory } = this.#cluster
    return {
      repository: REPOSITORY,
      configDirectory,
      jwksFile,
      istiodDirectory: join(directory, 'istiod'),
      nodeDirectories: (node) => nodeDirectories(directory, node),
      volumesOf: (pod) => join(directory, 'pods', `istio-system.${pod}`),
    }
  }

  async #must(app: string, argv: readonly string[]): Promise<{ readonly stdout: string }> {
    const { nodeName } = this.app(app).pod
    const node = this.#cluster.nodes.find(({ name }) => name === nodeName)
    if (node === undefined) throw new LabError('NOT_FOUND', `${app} runs on no node of this lab`)
    return mustRun(node.commandLine(argv))
  }
}
