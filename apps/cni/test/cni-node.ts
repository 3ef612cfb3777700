import { type ChildProcess, spawn } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileResources, type KindName, type KubeObject } from '@ambient/kube'
import { systemClock } from '@ambient/lifecycle'
import { waitFor } from '@ambient/testkit'
import type { AgentStatus } from '../src/agent/agent-status.ts'
import {
  environmentOf,
  firstNetwork,
  SYSTEM_PLUGINS,
  type Network,
  pluginInput,
  runChain,
} from './cni-chain.ts'
import { bridgeNetwork } from './networks.ts'
import { inNetns, ip } from './node-rules.ts'
import { removeTree, writableHierarchy } from './pod-cgroup.ts'
import { parseObject, type PluginRun, runPlugin } from './run-plugin.ts'

const ROOT = join(import.meta.dirname, '..')

/** What else goes into the plugin's configuration; `namespace` is the pod's. */
export interface CniExtra {
  readonly namespace?: string
  readonly cniVersion?: string
  readonly [member: string]: unknown
}

/** What a chain answered; `before` is the result of the plugin before ours. */
export interface ChainRun extends PluginRun {
  readonly before: string
}

export interface TestPod {
  readonly name: string
  readonly uid: string
  readonly containerId: string
  readonly netns: string
  ip: string
  result: string
}

/** A node in a namespace of its own: real agent, real CNI chain, a stand-in for ztunnel. Everything ends with `close`. */
export class CniNode {
  readonly name: string
  readonly directory: string = mkdtempSync(join(tmpdir(), 'cni-node-'))
  readonly configDirectory: string = join(this.directory, 'config')
  readonly runDirectory: string = join(this.directory, 'run')
  readonly zdsSocket: string = join(this.directory, 'zds.sock')
  /** Where the runtime looks for networks, and for plugins that are not the system's. */
  readonly netDirectory: string = join(this.directory, 'net.d')
  readonly binDirectory: string = join(this.directory, 'bin')
  readonly #processes: ChildProcess[] = []
  readonly #inPods: { readonly netns: string; readonly child: ChildProcess }[] = []
  readonly #cgroups: string[] = []
  readonly #namespaces: string[] = []
  #pods = 0
  #resources: FileResources | undefined

  constructor(name: string) {
    this.name = name
    for (const path of [this.configDirectory, this.netDirectory, this.binDirectory]) mkdirSync(path)
    this.writePrimary(bridgeNetwork(this.directory))
    this.writeDaemonSet()
    this.addNetns(name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
    this.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1')
  }

  addNetns(name: string): void {
    ip('netns', 'add', name)
    this.#namespaces.push(name)
  }

  /** Runs a program in the node's network, and waits. */
  exec(...words: readonly string[]): string {
    return inNetns(this.name, ...words)
  }

  async startAgent(environment: Readonly<Record<string, string>> = {}): Promise<ChildProcess> {
    const agent = this.spawn(this.name, this.agentWords, { ...this.agentEnvironment, ...environment })
    await waitFor('the agent to be ready', async () => (await this.status()).isReady, { deadlineMs: 60_000 })
    return agent
  }

  get agentWords(): readonly string[] {
    return [join(ROOT, 'bin/istio-cni-agent'), '--config-dir', this.configDirectory]
  }

  get agentEnvironment(): Readonly<Record<string, string>> {
    return {
      NODE_NAME: 'node1',
      CNI_AGENT_RUN_DIR: this.runDirectory,
      ZTUNNEL_UDS_ADDRESS: this.zdsSocket,
      MOUNTED_CNI_NET_DIR: this.netDirectory,
      MOUNTED_CNI_BIN_DIR: this.binDirectory,
    }
  }

  startZtunnel(mode = ''): {
    readonly process: ChildProcess
    readonly events: () => readonly Readonly<Record<string, unknown>>[]
  } {
    const words = [
      process.execPath,
      '--conditions=@ambient/source',
      '--disable-warning=ExperimentalWarning',
      join(ROOT, 'test/stand-in-ztunnel.ts'),
      this.zdsSocket,
      mode,
    ]
    const child = this.spawn(this.name, words, {})
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()))
    return {
      process: child,
      events: () =>
        text
          .split('\n')
          .slice(0, -1)
          .map((line) => parseObject(line)),
    }
  }

  /** What the processes wrote to standard error. */
  log(): string {
    const path = join(this.directory, 'log')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  spawn(
    netns: string,
    words: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): ChildProcess {
    const child = spawn('nsenter', [`--net=/run/netns/${netns}`, '--', ...words], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stderr.on('data', (chunk: Buffer) => appendFileSync(join(this.directory, 'log'), chunk))
    this.#processes.push(child)
    return child
  }

  status(): Promise<AgentStatus> {
    return new Promise((resolve, reject) => {
      const asked = request(
        { socketPath: join(this.runDirectory, 'pluginevent.sock'), path: '/status' },
        (response) => {
          let text = ''
          response.on('data', (chunk: Buffer) => (text += chunk.toString()))
          response.on('end', () => resolve(JSON.parse(text) as AgentStatus))
        },
      )
      asked.on('error', reject)
      asked.end()
    })
  }

  /** The agent's answer over HTTP, with its status on a line of its own. */
  httpGet(port: number, path: string): string {
    const url = `http://127.0.0.1:${port}${path}`
    return this.exec('curl', '-sS', '--max-time', '5', '--write-out', '%{http_code}', url)
  }

  /** Resolves once the agent has read everything that was written until now. */
  async settled(): Promise<void> {
    const marker = { ...this.newPod(), ip: '10.77.9.9' }
    this.writePod(marker, { labels: { 'istio.io/dataplane-mode': 'ambient' } })
    await waitFor(
      'the agent to have read what was written',
      async () => (await this.state(marker)) !== undefined,
    )
    this.deletePod(marker)
  }

  async state(pod: TestPod): Promise<string | undefined> {
    return (await this.status()).pods.find(({ uid }) => uid === pod.uid)?.state
  }

  /** As istiod sees it. */
  async annotationOf(pod: TestPod): Promise<string | undefined> {
    return (await this.objects('Pod')).find(({ metadata }) => metadata.uid === pod.uid)?.metadata.annotations[
      'ambient.istio.io/redirection'
    ]
  }

  writeNamespace(labels: Readonly<Record<string, string>>): void {
    this.write('namespace.yaml', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels } })
  }

  writePod(
    pod: TestPod,
    change: {
      readonly labels?: object
      readonly annotations?: object
      readonly spec?: object
      readonly phase?: string
    } = {},
  ): void {
    this.write(`${pod.name}.yaml`, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: pod.name,
        namespace: 'shop',
        uid: pod.uid,
        labels: change.labels ?? {},
        annotations: change.annotations ?? {},
      },
      spec: { nodeName: 'node1', containers: [{ name: 'app' }], ...change.spec },
      status: {
        phase: change.phase ?? 'Running',
        ...(pod.ip === '' ? {} : { podIP: pod.ip, podIPs: [{ ip: pod.ip }] }),
      },
    })
  }

  deletePod(pod: TestPod): void {
    rmSync(join(this.configDirectory, `${pod.name}.yaml`))
  }

  /** JSON is YAML. */
  write(name: string, object: unknown): void {
    writeFileSync(join(this.configDirectory, name), JSON.stringify(object))
  }

  newPod(): TestPod {
    const number = ++this.#pods
    const netns = `${this.name}p${number}`
    this.addNetns(netns)
    const uid = `${String(process.pid).padStart(8, '0')}-0000-4000-8000-${String(number).padStart(12, '0')}`
    return {
      name: `pod${number}`,
      uid,
      containerId: `${number}`.repeat(64).slice(0, 64),
      netns,
      ip: '',
      result: '',
    }
  }

  /** The network that the runtime takes, whoever wrote it. */
  get network(): Network {
    return firstNetwork(this.netDirectory)
  }

  writePrimary(network: object, name = '10-primary.conflist'): void {
    writeFileSync(join(this.netDirectory, name), JSON.stringify(network))
  }

  /** What the agent is a pod of. */
  writeDaemonSet(metadata: object = {}): void {
    const names = { name: 'istio-cni-node', namespace: 'istio-system' }
    this.write('daemon-set.yaml', {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { ...names, ...metadata },
      spec: { template: { spec: {} } },
    })
  }

  /** As a runtime makes a sandbox: loopback, then every plugin of the network; a failure is undone at once. */
  async add(pod: TestPod): Promise<ChainRun> {
    const loopback = JSON.stringify({ cniVersion: '1.0.0', name: 'loopback', type: 'loopback' })
    await runPlugin(
      this.#within(join(SYSTEM_PLUGINS, 'loopback')),
      environmentOf('ADD', pod, 'shop'),
      loopback,
    )
    const run = await this.#chain('ADD', pod)
    if (run.status !== 0) {
      await this.#chain('DEL', pod)
      return run
    }
    this.#took(pod, run.stdout)
    return run
  }

  /** A sandbox that the runtime makes when no network calls our plugin: the primary's chain alone. */
  async addWithoutPlugin(pod: TestPod): Promise<void> {
    const primary = firstNetwork(this.netDirectory, (name) => !name.includes('istio-cni'))
    const run = await this.#chain('ADD', pod, primary)
    if (run.status !== 0) throw new Error(`the primary refused: ${run.stdout}${run.stderr}`)
    inNetns(pod.netns, 'ip', 'link', 'set', 'lo', 'up')
    this.#took(pod, run.stdout)
  }

  /** The same pod in another sandbox, as after a crash of its first one. */
  newSandbox(pod: TestPod): TestPod {
    const { netns, containerId } = this.newPod()
    return { ...pod, netns, containerId, ip: '', result: '' }
  }

  async objects(kind: KindName): Promise<readonly KubeObject[]> {
    this.#resources ??= await FileResources.open({
      directory: this.configDirectory,
      clock: systemClock,
      report: () => {},
    })
    return this.#resources.list(kind)
  }

  /** As a runtime: our plugin first, then the one before. */
  del(pod: TestPod): Promise<ChainRun> {
    return this.#chain('DEL', pod)
  }

  check(pod: TestPod): Promise<ChainRun> {
    return this.#chain('CHECK', pod)
  }

  /** Only our plugin; `prevResult` as text, so that every byte is known. */
  cni(
    command: string,
    pod: TestPod,
    prevResult: string | undefined,
    more: CniExtra = {},
  ): Promise<PluginRun> {
    const { namespace = 'shop', cniVersion = '1.0.0', ...members } = more
    const network = { file: '', name: 'test', cniVersion, plugins: [] }
    const plugin = { type: 'istio-cni', cni_agent_run_dir: this.runDirectory, ...members }
    return runPlugin(
      this.#within(join(this.binDirectory, 'istio-cni')),
      environmentOf(command, pod, namespace),
      pluginInput(network, plugin, prevResult),
    )
  }

  /** A process in the pod's network and in a cgroup such as the kubelet makes. */
  runInPod(pod: TestPod, words: readonly string[]): ChildProcess {
    const enter = ['sh', '-c', 'echo 0 >"$0" && exec "$@"', join(this.#cgroupOf(pod), 'cgroup.procs')]
    const child = this.spawn(pod.netns, [...enter, ...words], {})
    this.#inPods.push({ netns: pod.netns, child })
    return child
  }

  async endProcesses({ netns }: TestPod): Promise<void> {
    const children = this.#inPods.filter((each) => each.netns === netns).map(({ child }) => child)
    for (const child of children) child.kill('SIGKILL')
    await Promise.all(children.map(ended))
  }

  async close(): Promise<void> {
    await this.#resources?.[Symbol.asyncDispose]()
    for (const child of this.#processes) child.kill('SIGKILL')
    await Promise.all(this.#processes.map(ended))
    for (const group of this.#cgroups.toReversed())
      await waitFor(`cgroup ${group} to be empty`, () => (removeTree(group), true))
    for (const name of this.#namespaces) ip('netns', 'del', name)
    rmSync(this.directory, { recursive: true, force: true })
  }

  #took(pod: TestPod, result: string): void {
    pod.result = result
    const { ips } = parseObject(result) as { ips: { address: string }[] }
    pod.ip = ips[0]?.address.split('/')[0] ?? ''
  }

  async #chain(command: string, pod: TestPod, network = this.network): Promise<ChainRun> {
    const { results, ...run } = await runChain({
      network,
      command,
      environment: environmentOf(command, pod, 'shop'),
      directories: [this.binDirectory, SYSTEM_PLUGINS],
      within: this.#within(),
      result: pod.result === '' ? undefined : pod.result,
    })
    return { ...run, before: results.at(-2) ?? '' }
  }

  #within(...words: readonly string[]): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.name}`, '--', ...words]
  }

  #cgroupOf(pod: TestPod): string {
    const top = join(writableHierarchy(), `cni-test-${this.name}`)
    if (!existsSync(top)) this.#cgroups.push(top)
    const group = join(top, 'kubepods', `pod${pod.uid}`, 'c1')
    mkdirSync(group, { recursive: true })
    return group
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null)
    await new Promise((resolve) => child.once('close', resolve))
}
