import { systemClock } from '@ambient/lifecycle'
import type { NetworkNamespace } from '@ambient/linux'
import { createLogger, createMetrics, LevelFilter } from '@ambient/telemetry'
import { Registry } from 'prom-client'
import { vi } from 'vitest'
import type { AgentDeps } from '../src/agent/agent-deps.ts'
import { ClusterView } from '../src/agent/cluster-view.ts'
import { PodReconciler } from '../src/agent/pod-reconciler.ts'
import { PodRecords } from '../src/agent/pod-records.ts'
import { defaultSelectors } from '../src/agent/select-pod.ts'
import { takeOver } from '../src/agent/take-over.ts'
import { watchSandboxes } from '../src/agent/watch-sandboxes.ts'
import { CniError } from '../src/cni-error.ts'
import type { RedirectBackend } from '../src/redirect/redirect-backend.ts'
import type { ModelNode, ModelPod, ModelSandbox } from './model-node.ts'
import { plainSettings } from './redirect-cases.ts'

const PROCESS_DEAD = new Promise<never>(() => {})

/**
 * The real reconciler, start-up and watch, over a model of everything else. Each effect takes its turn and may fail; once the
 * process is dead, none comes back.
 */
export class ModelAgent {
  readonly #node: ModelNode
  /** How many effects it will still live. */
  lifetime = Infinity
  /** Effects so far. */
  effects = 0
  readonly #ended = new AbortController()
  readonly #opened: NetworkNamespace[] = []
  readonly log: string[] = []
  #cluster: ClusterView | undefined
  #reconciler: PodReconciler | undefined

  /** @param onFailed Told when the agent cannot start: whoever runs it starts another. */
  constructor(node: ModelNode, onFailed: () => void) {
    this.#node = node
    void this.#start().catch(onFailed)
  }

  get isReady(): boolean {
    return this.#reconciler !== undefined
  }

  states(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#reconciler?.pods.all().map(({ uid, state }) => [uid, state.kind]) ?? [])
  }

  /** What CNI ADD does. @throws {CniError} */
  async add({ uid }: ModelPod, sandbox: ModelSandbox): Promise<void> {
    const pod = this.#cluster?.pod(uid)
    const reconciler = this.#reconciler
    const cluster = this.#cluster
    if (pod === undefined || reconciler === undefined || cluster === undefined)
      throw new CniError('POD_NOT_FOUND', 'not known yet')
    if (!cluster.wants(pod, SELECTION)) return
    const { containerId, ip } = sandbox
    await reconciler.enrolNew({ pod, netnsPath: containerId, containerId, ips: [ip] })
  }

  async detach(containerId: string): Promise<void> {
    await this.#reconciler?.detach(containerId)
  }

  /** As on SIGTERM. */
  async stop(): Promise<void> {
    this.#end()
    await this.#reconciler?.[Symbol.asyncDispose]()
  }

  /** As on SIGKILL: nothing it began comes back, and its descriptors are gone. */
  kill(): void {
    this.lifetime = 0
    this.#end()
    for (const netns of this.#opened) netns[Symbol.dispose]()
  }

  #end(): void {
    this.#ended.abort()
    this.#node.endSources()
    this.#node.disconnect()
  }

  async #effect<T>(what: string, act: () => T): Promise<T> {
    this.effects++
    if (this.lifetime-- <= 0) return PROCESS_DEAD
    await Promise.resolve()
    if (this.lifetime < 0) return PROCESS_DEAD
    if (this.#node.fails()) throw new CniError('RULES_FAILED', `${what} failed`)
    return act()
  }

  /** A request that is not answered ends its connection; the next one begins with what is true by then. */
  #ask(uid: string, inode: number | undefined, act: () => void): Promise<void> {
    if (this.lifetime > 0) this.#node.tell(uid, inode)
    return this.#effect('zds', act).catch((cause: unknown) => {
      setTimeout(() => this.#node.snapshot(), 100)
      throw cause
    })
  }

  #backend(name: RedirectBackend['name']): RedirectBackend {
    const node = this.#node
    const set = (netns: NetworkNamespace, redirect: ModelSandbox['redirect']): Promise<void> =>
      this.#effect(`${redirect} redirect`, () => {
        if (name === 'nftables') node.setRedirect(netns, redirect)
      })
    return {
      name,
      inspect: (netns) =>
        this.#effect('inspect', () => ({ kind: name === 'nftables' ? node.redirect(netns) : 'absent' })),
      watch: () => ({ take: () => false, [Symbol.dispose]: () => {} }),
      reservePorts: () => ({}),
      apply: async (netns) => {
        await set(netns, 'complete')
        return { kept: undefined, before: {} }
      },
      stopRedirecting: (netns) => set(netns, 'draining'),
      withdraw: () => this.#effect('withdraw', () => {}),
      remove: (netns) => set(netns, 'absent'),
    }
  }

  #open(sandbox: ModelSandbox): NetworkNamespace {
    if (this.lifetime <= 0) throw new Error('the process is dead')
    const netns = this.#node.openSandbox(sandbox)
    this.#opened.push(netns)
    return netns
  }

  async #start(): Promise<void> {
    const node = this.#node
    const { signal } = this.#ended
    const cluster = new ClusterView({
      source: node.source(),
      clock: systemClock,
      endSignMs: 0,
      nodeName: 'node1',
      namespace: 'istio-system',
      onChange: (uids) => uids.forEach((uid) => this.#reconciler?.touch(uid)),
      onProblem: (message) => node.violations.push(message),
    })
    this.#cluster = cluster
    void cluster.run(signal)
    await cluster.wait(() => cluster.isSynced || undefined, signal)
    const deps = this.#deps(cluster)
    const taken = await takeOver(deps)
    if (signal.aborted) {
      for (const { netns } of taken.pods) netns?.[Symbol.dispose]()
      return
    }
    node.connect(taken.held)
    const reconciler = new PodReconciler(deps)
    for (const pod of taken.pods) reconciler.pods.put(pod)
    this.#reconciler = reconciler
    reconciler.start()
    await watchSandboxes({ ...deps, reconciler, listeningPorts: () => LISTENING }, signal)
  }

  #deps(cluster: ClusterView): AgentDeps {
    const node = this.#node
    return {
      backends: {
        chosen: this.#backend('nftables'),
        byName: {
          'iptables-legacy': this.#backend('iptables-legacy'),
          'iptables-nft': this.#backend('iptables-nft'),
          nftables: this.#backend('nftables'),
        },
      },
      probeSet: {
        add: (entries) =>
          this.#effect('add probes', () => entries.forEach(({ ip, uid }) => node.probes.set(ip, uid))),
        remove: (entries) =>
          this.#effect('remove probes', () =>
            entries.forEach(({ ip, uid }) => node.probes.get(ip) === uid && node.probes.delete(ip)),
          ),
        list: () => this.#effect('list probes', () => [...node.probes].map(([ip, uid]) => ({ ip, uid }))),
      },
      ztunnels: {
        get connected() {
          return node.isAgentConnected ? 1 : 0
        },
        add: (uid, _, netns) =>
          this.#ask(uid, netns.id().inode, () => {
            if (!node.isAgentConnected) throw new CniError('ZDS_NOT_CONNECTED', 'no ztunnel')
            node.ztunnel.set(uid, netns.id().inode)
          }),
        remove: (uid) =>
          this.#ask(uid, undefined, () => {
            if (node.isAgentConnected) node.ztunnel.delete(uid)
          }),
      },
      finder: {
        open: (containerId) => {
          const found = [...node.pods.values()].find(({ sandbox }) => sandbox?.containerId === containerId)
          if (found?.sandbox === undefined) throw new CniError('NETNS_NOT_FOUND', 'the sandbox is gone')
          return this.#open(found.sandbox)
        },
        scan: (wanted) =>
          new Map(
            wanted.flatMap(({ cgroupUid, ips }) => {
              const sandbox = node.pods.get(cgroupUid)?.sandbox
              return sandbox === undefined || !ips.includes(sandbox.ip)
                ? []
                : [[cgroupUid, this.#open(sandbox)]]
            }),
          ),
      },
      cluster,
      records: new PodRecords(node.directory),
      selection: SELECTION,
      settings: plainSettings,
      annotate: ({ uid }, status) => this.#effect('annotate', () => node.annotate(uid, status)),
      repairs: { handle: (_, enrol) => enrol().then(() => 'enrolled' as const) },
      outside: {
        list: () => [],
        ports: () => ({ listening: new Set(), ephemeral: { first: 32_768, last: 60_999 } }),
        reset: () => undefined,
      },
      mutualTls: { isStrict: () => false },
      connectionsOf: () => ({ table: [], ownIps: new Set() }),
      clock: { ...systemClock, monotonicMs: () => vi.getMockedSystemTime()?.getTime() ?? 0 },
      random: { float: () => 0.5, bytes: (n) => new Uint8Array(n) },
      logger: createLogger({
        format: 'plain',
        level: LevelFilter.parse('debug'),
        write: (line) => this.log.push(line),
        clock: { nowMs: () => 0 },
        scope: 'cni',
      }),
      metrics: createMetrics(new Registry(), 'cni'),
    }
  }
}

const LISTENING: ReadonlySet<number> = new Set([15_001, 15_006, 15_008])
const SELECTION = {
  selectors: defaultSelectors,
  excludeNamespaces: new Set<string>(),
  systemNamespace: 'istio-system',
}
