/** The real process of a node, with a control plane, a CA and an agent of the test's own, and pods in namespaces. */
import { type ChildProcess, execFileSync, spawn, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { caMethods, CertificateIssuer, SelfSignedSource } from '@ambient/ca'
import { EventLoop } from '@ambient/event-loop'
import { GrpcServer } from '@ambient/grpc'
import { Scope, systemClock, systemRandom } from '@ambient/lifecycle'
import { duplicateDescriptor } from '@ambient/linux'
import type { Address, Service, Workload } from '@ambient/model'
import { type AuthorizationPolicy, policyKey } from '@ambient/policy'
import { parseSpiffeId, type SpiffeId } from '@ambient/spiffe'
import { createLogger, LevelFilter } from '@ambient/telemetry'
import { debugMemory, keepTurning, turnUntil, waitFor } from '@ambient/testkit'
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  DeltaXdsServer,
  encodeAddressResource,
  encodeAuthorizationResource,
  nodeGroup,
  ResourceTable,
} from '@ambient/xds'
import { ZdsServer } from '@ambient/zds'
import { expect } from 'vitest'
import type { TestPod } from './pod-net.ts'

type Line = Readonly<Record<string, unknown>>

const BIN = new URL('../bin/ztunnel', import.meta.url).pathname
const CONTROL_PORT = 15_012
const NODE = 'node1'
/** A busy machine takes its time to start a process. */
const START_MS = 90_000
const CALLER = 'spiffe://cluster.local/ns/istio-system/sa/ztunnel'

/** Answers certificate requests: with a certificate, or with a refusal. */
export type CaAnswer = (id: SpiffeId) => Promise<'issue' | 'refuse'>

/** The control plane as one ztunnel sees it, in this process: workloads, policies, certificates. */
class TestControlPlane {
  readonly addresses: ResourceTable = new ResourceTable(ADDRESS_TYPE)
  readonly policies: ResourceTable = new ResourceTable(AUTHORIZATION_TYPE)
  /** Identities in the order in which they were asked for. */
  readonly asked: SpiffeId[] = []
  /** Responses of which it would not take everything. */
  nacks = 0
  answer: CaAnswer = () => Promise.resolve('issue')
  port = 0
  #server: GrpcServer | undefined
  readonly #issuer: CertificateIssuer

  private constructor(issuer: CertificateIssuer) {
    this.#issuer = issuer
  }

  static async open(directory: string): Promise<TestControlPlane> {
    const issuer = await CertificateIssuer.open({
      source: new SelfSignedSource({ directory, trustDomain: 'cluster.local', clock: systemClock }),
      clock: systemClock,
      defaultTtlSeconds: 3600,
      maxTtlSeconds: 90_000,
    })
    const made = new TestControlPlane(issuer)
    await made.start()
    return made
  }

  /** Begins to listen, at the port of before. */
  async start(): Promise<void> {
    const views = [this.policies, this.addresses]
    const xds = new DeltaXdsServer<string>({
      authenticate: () => Promise.resolve({ kind: 'accepted', caller: CALLER }),
      admit: () => ({ kind: 'admitted', scope: { identity: CALLER, views, home: nodeGroup(NODE) } }),
      isSynced: () => true,
      clock: systemClock,
      logger: createLogger({
        format: 'plain',
        level: LevelFilter.parse('off'),
        write: () => {},
        clock: systemClock,
        scope: 'test',
      }),
      onEvent: (event) => {
        if (event.kind === 'request' && event.outcome === 'nack') this.nacks++
      },
    })
    const ca = caMethods(this.#issuer, {
      authorize: async (_caller, impersonated = '') => {
        const id = parseSpiffeId(impersonated)
        this.asked.push(id)
        return (await this.answer(id)) === 'issue' ? { kind: 'issue', id } : { kind: 'refuse' }
      },
      onOutcome: () => {},
    })
    this.#server = await GrpcServer.open({
      address: '127.0.0.1',
      port: this.port,
      credentials: 'plaintext',
      methods: { ...xds.methods, ...ca },
      random: systemRandom,
      onFault: (cause) => {
        throw cause
      },
    })
    this.port = this.#server.port
  }

  async stop(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]()
    this.#server = undefined
  }
}

/** What a process holds at rest; compared after each bad day. */
export interface AtRest {
  readonly descriptors: number
  readonly rssBytes: number
}

const CPU_LOOK_MS = 300
const SLEEPING_TICKS = 1
const MS_A_TICK = 10
const TICKS_A_CORE = CPU_LOOK_MS / MS_A_TICK

export class TestNode implements AsyncDisposable {
  readonly control: TestControlPlane
  /** What it has logged, one object a line. */
  readonly lines: Line[] = []
  exited: Promise<number | null> = Promise.resolve(null)
  readonly #spawn: () => ChildProcess
  #process: ChildProcess
  readonly #loop: EventLoop
  readonly #agent: ZdsServer
  readonly #home: TestPod
  readonly #scope: Scope

  private constructor(parts: {
    readonly control: TestControlPlane
    readonly spawn: () => ChildProcess
    readonly loop: EventLoop
    readonly agent: ZdsServer
    readonly home: TestPod
    readonly scope: Scope
  }) {
    this.control = parts.control
    this.#spawn = parts.spawn
    this.#loop = parts.loop
    this.#agent = parts.agent
    this.#home = parts.home
    this.#scope = parts.scope
    this.#process = this.#follow()
  }

  /** @param home The node's own namespace. */
  static async open(home: TestPod, env: Readonly<Record<string, string>> = {}): Promise<TestNode> {
    const scope = new Scope()
    const directory = mkdtempSync(join(tmpdir(), 'ztunnel-node-'))
    scope.defer(() => rmSync(directory, { recursive: true }))
    const control = await TestControlPlane.open(directory)
    scope.defer(() => control.stop())
    home.listen(CONTROL_PORT, (socket) => relay(socket, control.port))
    const loop = scope.use(new EventLoop())
    const path = join(directory, 'zds.sock')
    const agent = scope.use(new ZdsServer(loop, { path, onConnections: () => {}, onRefused: () => {} }))
    const address = `http://127.0.0.1:${CONTROL_PORT}`
    const netns = `--net=/proc/${process.pid}/fd/${home.netns.fd}`
    const options: SpawnOptions = {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        NODE_NAME: NODE,
        XDS_ADDRESS: address,
        CA_ADDRESS: address,
        INPOD_UDS: path,
        ISTIO_META_DNS_CAPTURE: 'false',
        IPV6_ENABLED: 'false',
        LOG_FORMAT: 'json',
        ZTUNNEL_WORKER_THREADS: '2',
        ...debugMemory(),
        ...env,
      },
    }
    const start = (): ChildProcess => spawn('nsenter', [netns, '--', BIN], options)
    const node = new TestNode({ control, spawn: start, loop, agent, home, scope })
    try {
      const isJoined = (): boolean => agent.connectionCount > 0
      await turnUntil(loop, 'ztunnel to join its agent', isJoined, { deadlineMs: START_MS })
      return node
    } catch (cause) {
      await node[Symbol.asyncDispose]()
      throw new Error(`It did not start: ${JSON.stringify(node.lines)}`, { cause })
    }
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** What it has used of processors since its start. */
  cpuMs(): number {
    return this.#cpuTicks() * MS_A_TICK
  }

  /** Killed, and gone. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.exited
  }

  /** Once more after `kill`; what it logs is joined to what its predecessor has logged. */
  start(): void {
    this.#process = this.#follow()
  }

  /** The agent answers while the test waits for something else. @returns how to end that. */
  turning(): () => void {
    const turning = keepTurning(this.#loop)
    return () => turning[Symbol.dispose]()
  }

  /** What the agent knows of when a ztunnel comes. */
  hold(netns: number, { uid, name, namespace, serviceAccount }: Workload): void {
    this.#agent.hold({ uid, info: { name, namespace, serviceAccount }, netns: duplicateDescriptor(netns) })
  }

  /** Hands a pod over; resolves once its listeners are there. */
  async enrol(pod: TestPod, { uid, name, namespace, serviceAccount }: Workload): Promise<void> {
    let answer: string | undefined
    const info = { name, namespace, serviceAccount }
    this.#agent.add(
      { uid, info, netns: duplicateDescriptor(pod.netns.fd) },
      (result) => (answer = result.kind),
    )
    await turnUntil(this.#loop, `${name} to be taken on`, () => answer !== undefined)
    expect(answer).toBe('acked')
  }

  async leave({ uid, name }: Workload): Promise<void> {
    let answer: string | undefined
    this.#agent.remove(uid, (result) => (answer = result.kind))
    await turnUntil(this.#loop, `${name} to be let go`, () => answer !== undefined)
  }

  push(...parts: readonly (Workload | Service)[]): void {
    const addresses = parts.map((part): Address =>
      'uid' in part ? { kind: 'workload', workload: part } : { kind: 'service', service: part },
    )
    this.control.addresses.apply(
      addresses.map((address) => encodeAddressResource(address)),
      [],
    )
  }

  withdraw(...workloads: readonly Workload[]): void {
    this.control.addresses.apply(
      [],
      workloads.map(({ uid }) => uid),
    )
  }

  restrict(upserts: readonly AuthorizationPolicy[], gone: readonly AuthorizationPolicy[] = []): void {
    this.control.policies.apply(
      upserts.map((policy) => encodeAuthorizationResource(policy)),
      gone.map(policyKey),
    )
  }

  /** The body of what it answers on one of its own ports. */
  get(port: number, path: string): string {
    const netns = `/proc/${process.pid}/fd/${this.#home.netns.fd}`
    return execFileSync(
      'nsenter',
      [`--net=${netns}`, '--', 'curl', '-sS', `http://127.0.0.1:${port}${path}`],
      {
        encoding: 'utf8',
      },
    )
  }

  logged(message: string, fields: Line = {}): Promise<Line> {
    return waitFor(`"${message}" with ${JSON.stringify(fields)}`, () =>
      this.lines.find(
        (line) =>
          line['message'] === message &&
          Object.entries(fields).every(([name, value]) => line[name] === value),
      ),
    )
  }

  async dial(pod: TestPod, ip: string, port: number): Promise<net.Socket> {
    return pod.dial(this.#loop, ip, port)
  }

  /** Waits until its descriptors are no more than `most` and it sleeps. */
  async rest(most = Infinity): Promise<AtRest> {
    let ticks = this.#cpuTicks()
    return waitFor(
      `the process to be at rest`,
      () => {
        const before = ticks
        ticks = this.#cpuTicks()
        const descriptors = readdirSync(`/proc/${this.pid}/fd`).length
        if (descriptors > most) throw new Error(`${descriptors} descriptors are open, ${most} were`)
        if (ticks - before > SLEEPING_TICKS)
          throw new Error(`${ticks - before} of ${TICKS_A_CORE} ticks are used`)
        return { descriptors, rssBytes: this.#rssBytes() }
      },
      { everyMs: CPU_LOOK_MS, deadlineMs: 30_000 },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await this.#scope[Symbol.asyncDispose]()
  }

  #follow(): ChildProcess {
    const child = this.#spawn()
    this.exited = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : null))
    if (child.stdout !== null)
      createInterface(child.stdout).on('line', (line) => this.lines.push(parsed(line)))
    return child
  }

  #cpuTicks(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return Number(fields[11]) + Number(fields[12])
  }

  #rssBytes(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]) * 1024
  }
}

function relay(socket: net.Socket, port: number): void {
  const upstream = net.connect(port, '127.0.0.1').setNoDelay()
  socket.setNoDelay()
  for (const [from, to] of [
    [socket, upstream],
    [upstream, socket],
  ] as const)
    from
      .on('error', () => to.destroy())
      .on('close', () => to.destroy())
      .pipe(to)
}

function parsed(line: string): Line {
  try {
    return JSON.parse(line) as Line
  } catch {
    return { message: line }
  }
}
