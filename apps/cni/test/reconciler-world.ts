import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeObject, ResourceSource, WatchEvent } from '@ambient/kube'
import { AsyncQueue } from '@ambient/lifecycle'
import { NetworkNamespace } from '@ambient/linux'
import { createLogger, createMetrics, LevelFilter } from '@ambient/telemetry'
import { waitFor } from '@ambient/testkit'
import { Registry } from 'prom-client'
import type { AgentDeps } from '../src/agent/agent-deps.ts'
import { ClusterView } from '../src/agent/cluster-view.ts'
import { PodReconciler } from '../src/agent/pod-reconciler.ts'
import { PodRecords } from '../src/agent/pod-records.ts'
import { defaultSelectors } from '../src/agent/select-pod.ts'
import { systemClock } from '@ambient/lifecycle'
import type { CniError } from '../src/cni-error.ts'
import type { BackendName, RedirectBackend, RedirectState } from '../src/redirect/redirect-backend.ts'
import { describeConnection, type TcpConnection } from '../src/redirect/tcp-connections.ts'
import { kubeObject } from './kube-object.ts'
import { plainSettings } from './redirect-cases.ts'

/** Effects are recorded in order; the kernel is not touched, except that a netns is a real descriptor (of our own). */
export class ReconcilerWorld {
  readonly calls: string[] = []
  readonly directory: string = mkdtempSync(join(tmpdir(), 'cni-world-'))
  readonly pods: AsyncQueue<WatchEvent> = new AsyncQueue(100)
  readonly namespaces: AsyncQueue<WatchEvent> = new AsyncQueue(100)
  /** The sign of an uninstallation, when there is one. */
  readonly end: AsyncQueue<WatchEvent> = new AsyncQueue(100)
  readonly annotations = new Map<string, string | undefined>()
  table: readonly TcpConnection[] = []
  /** Connections that ztunnel has no end of. */
  outside: readonly TcpConnection[] = []
  readonly strictPorts = new Set<number>()
  nowMs = 0
  failAdd: CniError | undefined
  failApply: CniError | undefined
  /** What every backend finds in a pod. */
  found: RedirectState = { kind: 'absent' }
  canFind = true
  readonly reconciler: PodReconciler
  readonly #ended = new AbortController()

  constructor() {
    const source: ResourceSource = {
      list: () => Promise.resolve([]),
      watch: (kind) => (kind === 'Pod' ? this.pods : kind === 'Namespace' ? this.namespaces : this.end),
    }
    const cluster: ClusterView = new ClusterView({
      source,
      clock: systemClock,
      endSignMs: 1,
      nodeName: 'node1',
      namespace: 'istio-system',
      onChange: (uids) => uids.forEach((uid) => this.reconciler.touch(uid)),
      onProblem: (message) => this.calls.push(`problem ${message}`),
    })
    const note = (call: string): Promise<void> => Promise.resolve(void this.calls.push(call))
    const netns = (): NetworkNamespace => NetworkNamespace.open('/proc/self/ns/net')
    const deps: AgentDeps = {
      backends: {
        chosen: this.#backend('nftables'),
        byName: {
          'iptables-legacy': this.#backend('iptables-legacy'),
          'iptables-nft': this.#backend('iptables-nft'),
          nftables: this.#backend('nftables'),
        },
      },
      probeSet: {
        add: (entries) => note(`probe set adds ${entries.map(({ ip }) => ip).join()}`),
        remove: (entries) =>
          entries.length === 0
            ? Promise.resolve()
            : note(`probe set removes ${entries.map(({ ip }) => ip).join()}`),
        list: () => Promise.resolve([]),
      },
      ztunnels: {
        connected: 1,
        add: () => (this.failAdd === undefined ? note('zds add') : Promise.reject(this.failAdd)),
        remove: () => note('zds del'),
      },
      finder: { open: netns, scan: () => (this.canFind ? new Map([['u1', netns()]]) : new Map()) },
      cluster,
      records: new PodRecords(this.directory),
      selection: {
        selectors: defaultSelectors,
        excludeNamespaces: new Set(),
        systemNamespace: 'istio-system',
      },
      settings: plainSettings,
      annotate: (pod, status) => {
        this.annotations.set(pod.uid, status)
        this.putPod({ annotation: status })
        return note(`annotate ${status ?? 'nothing'}`)
      },
      repairs: { handle: (_, enrol) => enrol().then(() => 'enrolled' as const) },
      outside: {
        list: () => this.outside,
        ports: () => ({ listening: new Set([8080]), ephemeral: { first: 32_768, last: 60_999 } }),
        reset: (_, connection) => {
          this.calls.push(`reset ${describeConnection(connection)}`)
          this.outside = this.outside.filter((each) => each !== connection)
          return undefined
        },
      },
      mutualTls: { isStrict: (_, port) => this.strictPorts.has(port) },
      connectionsOf: () => ({ table: this.table, ownIps: new Set(['10.0.0.2']) }),
      clock: { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs, sleep: () => Promise.resolve() },
      random: { float: () => 0.5, bytes: (n) => new Uint8Array(n) },
      logger: createLogger({
        format: 'plain',
        level: LevelFilter.parse('off'),
        write: () => {},
        clock: { nowMs: () => 0 },
        scope: 'cni',
      }),
      metrics: createMetrics(new Registry(), 'cni'),
    }
    this.cluster = cluster
    this.reconciler = new PodReconciler(deps)
    void cluster.run(this.#ended.signal)
    this.reconciler.start()
  }

  /** One that is not the chosen one says its name with each call. */
  #backend(name: BackendName): RedirectBackend {
    const note = (call: string): Promise<void> =>
      Promise.resolve(void this.calls.push(name === 'nftables' ? call : `${name}: ${call}`))
    return {
      name,
      inspect: () => Promise.resolve(this.found),
      watch: () => ({ take: () => false, [Symbol.dispose]: () => {} }),
      reservePorts: () => {
        void note('reserve ports')
        return { ports: 'before' }
      },
      apply: async (_, __, age) => {
        await note(`apply to ${age} pod`)
        if (this.failApply !== undefined) throw this.failApply
        return { kept: age === 'new' ? undefined : this.outside, before: {} }
      },
      stopRedirecting: () => note('stop redirecting'),
      withdraw: () => note('withdraw'),
      remove: (_, settings) => note(`remove, ports were ${settings['ports']}`),
    }
  }

  readonly cluster: ClusterView
  #shape: { ip: string; phase: string; labels: Readonly<Record<string, string>> } = {
    ip: '10.0.0.2',
    phase: 'Running',
    labels: {},
  }

  putPod(change: {
    ip?: string
    phase?: string
    labels?: Readonly<Record<string, string>>
    annotation?: string | undefined
  }): void {
    this.#shape = {
      ip: change.ip ?? this.#shape.ip,
      phase: change.phase ?? this.#shape.phase,
      labels: change.labels ?? this.#shape.labels,
    }
    const annotation = 'annotation' in change ? change.annotation : this.annotations.get('u1')
    this.pods.push({ type: 'modified', object: podObject(this.#shape, annotation) })
  }

  deletePod(): void {
    this.pods.push({ type: 'deleted', object: podObject(this.#shape, undefined) })
  }

  label(value: string): void {
    const labels = { 'istio.io/dataplane-mode': value }
    this.namespaces.push({ type: 'modified', object: kubeObject('Namespace', { name: 'shop', labels }, {}) })
  }

  /** The sign that the mesh is to go, put up or taken away. */
  uninstall(type: 'added' | 'deleted'): void {
    this.end.push({ type, object: kubeObject('ConfigMap', { name: 'istio-cni-unenrol', labels: {} }, {}) })
  }

  backendsOnRecord(): readonly BackendName[] {
    return new PodRecords(this.directory).get('u1')?.backends ?? []
  }

  state(): string | undefined {
    return this.reconciler.pods.get('u1')?.state.kind
  }

  saw(call: string): Promise<true> {
    return waitFor(`"${call}" among ${this.calls.join('; ')}`, () => this.calls.includes(call))
  }

  async close(): Promise<void> {
    this.end.close()
    this.#ended.abort()
    this.pods.close()
    this.namespaces.close()
    await this.reconciler[Symbol.asyncDispose]()
    rmSync(this.directory, { recursive: true })
  }
}

function podObject(
  {
    ip,
    phase,
    labels,
  }: { readonly ip: string; readonly phase: string; readonly labels: Readonly<Record<string, string>> },
  annotation: string | undefined,
): KubeObject {
  const annotations = annotation === undefined ? {} : { 'ambient.istio.io/redirection': annotation }
  const metadata = { name: 'web', namespace: 'shop', uid: 'u1', labels, annotations }
  return kubeObject('Pod', metadata, {
    spec: { nodeName: 'node1' },
    status: { phase, ...(ip === '' ? {} : { podIP: ip }) },
  })
}
