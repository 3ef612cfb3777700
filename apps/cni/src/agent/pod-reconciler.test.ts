import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeObject, ResourceSource, WatchEvent } from '@ambient/kube'
import { AsyncQueue } from '@ambient/lifecycle'
import { NetworkNamespace } from '@ambient/linux'
import { createLogger, createMetrics, LevelFilter } from '@ambient/telemetry'
import { leakedDescriptors, openDescriptors, waitFor } from '@ambient/testkit'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CniError } from '../cni-error.ts'
import type { TcpConnection } from '../redirect/tcp-connections.ts'
import type { AgentDeps } from './agent-deps.ts'
import { ClusterView } from './cluster-view.ts'
import { PodReconciler } from './pod-reconciler.ts'
import { PodRecords } from './pod-records.ts'
import { defaultSelectors } from './select-pod.ts'

/** Effects are recorded in order; the kernel is not touched, except that a netns is a real descriptor (of our own). */
class World {
  readonly calls: string[] = []
  readonly directory: string = mkdtempSync(join(tmpdir(), 'cni-world-'))
  readonly pods: AsyncQueue<WatchEvent> = new AsyncQueue(100)
  readonly namespaces: AsyncQueue<WatchEvent> = new AsyncQueue(100)
  readonly annotations = new Map<string, string | undefined>()
  table: readonly TcpConnection[] = []
  nowMs = 0
  failAdd: CniError | undefined
  canFind = true
  readonly reconciler: PodReconciler
  readonly #ended = new AbortController()

  constructor() {
    const source: ResourceSource = {
      list: () => Promise.resolve([]),
      watch: (kind) => (kind === 'Pod' ? this.pods : this.namespaces),
    }
    const cluster: ClusterView = new ClusterView({
      source,
      nodeName: 'node1',
      onChange: (uids) => uids.forEach((uid) => this.reconciler.touch(uid)),
      onProblem: (message) => this.calls.push(`problem ${message}`),
    })
    const note = (call: string): Promise<void> => Promise.resolve(void this.calls.push(call))
    const netns = (): NetworkNamespace => NetworkNamespace.open('/proc/self/ns/net')
    const deps: AgentDeps = {
      backend: {
        name: 'iptables',
        inspect: () => Promise.resolve({ kind: 'absent' }),
        reservePorts: () => {
          void note('reserve ports')
          return { ports: 'before' }
        },
        apply: (_, __, age) => note(`apply to ${age} pod`).then(() => ({ kept: undefined, before: {} })),
        stopRedirecting: () => note('stop redirecting'),
        remove: (_, before) => note(`remove, ports were ${before['ports']}`),
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
      settings: {
        ipv6: true,
        dnsCapture: false,
        ingressOnly: false,
        virtualInterfaces: [],
        probe: { v4: '169.254.7.127', v6: 'fd16::1' },
      },
      annotate: (pod, status) => {
        this.annotations.set(pod.uid, status)
        this.putPod({ annotation: status })
        return note(`annotate ${status ?? 'nothing'}`)
      },
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

  state(): string | undefined {
    return this.reconciler.pods.get('u1')?.state.kind
  }

  saw(call: string): Promise<true> {
    return waitFor(`"${call}" among ${this.calls.join('; ')}`, () => this.calls.includes(call))
  }

  async close(): Promise<void> {
    this.#ended.abort()
    this.pods.close()
    this.namespaces.close()
    await this.reconciler[Symbol.asyncDispose]()
    rmSync(this.directory, { recursive: true })
  }
}

let world: World
let before: ReturnType<typeof openDescriptors>
beforeEach(() => {
  before = openDescriptors()
  world = new World()
})
afterEach(async () => {
  await world.close()
  expect(leakedDescriptors(before)).toEqual([])
})

const tunnel: TcpConnection = {
  local: { ip: '127.0.0.1', port: 15_001 },
  remote: { ip: '10.0.0.2', port: 1 },
}

async function enrol(): Promise<void> {
  world.label('ambient')
  world.putPod({})
  await world.saw('annotate enabled')
}

test('PodReconciler enrols in the order that leaves no gap: listener, rules, host set, annotation', async () => {
  await enrol()
  expect(world.calls).toEqual([
    'reserve ports',
    'zds add',
    'apply to running pod',
    'probe set adds 10.0.0.2',
    'probe set adds 10.0.0.2',
    'annotate enabled',
  ])
})

test('PodReconciler un-enrols in the order that ends no tunnel', async () => {
  await enrol()
  world.calls.length = 0
  world.table = [tunnel]
  world.label('none')
  await waitFor('the pod to drain', () => world.state() === 'draining')
  expect(world.calls).toEqual(['annotate nothing', 'stop redirecting', 'probe set removes 10.0.0.2'])
  world.nowMs = 20_000
  world.table = []
  await waitFor('the pod to be let go', () => world.state() === undefined)
  expect(world.calls.slice(3)).toEqual(['zds del', 'remove, ports were before'])
})

test('PodReconciler resets tunnels that are open after 30 s', async () => {
  await enrol()
  world.table = [tunnel]
  world.label('none')
  await waitFor('the pod to drain', () => world.state() === 'draining')
  world.nowMs = 29_999
  await world.reconciler.detach('another container')
  expect(world.state()).toBe('draining')
  world.nowMs = 30_000
  await world.saw('remove, ports were before')
  expect(world.calls.slice(-2)).toEqual(['zds del', 'remove, ports were before'])
})

test('PodReconciler takes a draining pod back when it is selected again', async () => {
  await enrol()
  world.table = [tunnel]
  world.label('none')
  await waitFor('the pod to drain', () => world.state() === 'draining')
  world.label('ambient')
  await waitFor(
    'the pod to be enrolled',
    () => world.state() === 'enrolled' && world.annotations.get('u1') === 'enabled',
  )
  expect(world.calls).not.toContain('zds del')
})

test('PodReconciler marks a pod as pending when ztunnel cannot take it, writes no rule, and tries again', async () => {
  world.failAdd = new CniError('ZDS_REFUSED', 'full')
  world.label('ambient')
  world.putPod({})
  await world.saw('annotate pending')
  expect(world.state()).toBe('pending')
  expect(world.calls).not.toContain('apply to running pod')
  world.failAdd = undefined
  world.reconciler.touchPending()
  await world.saw('annotate enabled')
})

test('PodReconciler gives up a pending pod that is not selected any more', async () => {
  world.canFind = false
  world.label('ambient')
  world.putPod({})
  await waitFor('the pod to be pending', () => world.state() === 'pending')
  world.label('none')
  await waitFor('the pod to be let go', () => world.state() === undefined)
  expect(world.calls).toEqual(['zds del'])
})

test('PodReconciler does no work in the netns of a deleted pod', async () => {
  await enrol()
  world.calls.length = 0
  world.deletePod()
  await waitFor('the pod to be forgotten', () => world.state() === undefined)
  expect(world.calls).toEqual(['probe set removes 10.0.0.2', 'zds del'])
})

test('PodReconciler forgets a finished pod by the address it had', async () => {
  await enrol()
  world.calls.length = 0
  world.putPod({ phase: 'Succeeded', ip: '' })
  await waitFor('the pod to be forgotten', () => world.state() === undefined)
  expect(world.calls).toEqual(['probe set removes 10.0.0.2', 'zds del'])
})

test('PodReconciler follows a changed address', async () => {
  await enrol()
  world.calls.length = 0
  world.putPod({ ip: '10.0.0.3' })
  await world.saw('probe set adds 10.0.0.3')
  expect(world.calls).toEqual(['probe set removes 10.0.0.2', 'probe set adds 10.0.0.3'])
})

test('PodReconciler enrols a new sandbox before the pod has an address, and lets go when the runtime takes it down', async () => {
  world.label('ambient')
  world.putPod({ ip: '' })
  const pod = await waitFor('the pod to be known', () => world.cluster.pod('u1'))
  const sandbox = { pod, netnsPath: '/run/netns/x', containerId: 'c1', ips: ['10.0.0.2'] }
  await world.reconciler.enrolNew(sandbox)
  await world.saw('annotate enabled')
  expect(world.calls).toContain('apply to new pod')
  await world.reconciler.detach('c0')
  expect(world.state()).toBe('enrolled')
  await world.reconciler.detach('c1')
  expect(world.state()).toBe('detached')
  expect(world.calls.slice(-2)).toEqual(['probe set removes 10.0.0.2', 'zds del'])
  await world.reconciler.enrolNew({ ...sandbox, containerId: 'c2' })
  expect(world.state()).toBe('enrolled')
})

test('PodReconciler lets go of a sandbox that is taken down while it is being made', async () => {
  world.label('ambient')
  world.putPod({ ip: '' })
  const pod = await waitFor('the pod to be known', () => world.cluster.pod('u1'))
  const made = world.reconciler.enrolNew({
    pod,
    netnsPath: '/run/netns/x',
    containerId: 'c1',
    ips: ['10.0.0.2'],
  })
  await world.reconciler.detach('c1')
  await made
  expect(world.state()).toBe('detached')
})

test('PodReconciler leaves nothing of a sandbox that could not be enrolled', async () => {
  world.failAdd = new CniError('ZDS_NOT_CONNECTED', 'nobody')
  world.label('ambient')
  world.putPod({ ip: '' })
  const pod = await waitFor('the pod to be known', () => world.cluster.pod('u1'))
  await expect(
    world.reconciler.enrolNew({ pod, netnsPath: '/run/netns/x', containerId: 'c1', ips: ['10.0.0.2'] }),
  ).rejects.toThrow('nobody')
  expect(world.calls).toEqual(['reserve ports', 'probe set removes 10.0.0.2', 'zds del'])
})

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

function kubeObject(
  kind: 'Pod' | 'Namespace',
  metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> },
  rest: object,
): KubeObject {
  return {
    apiVersion: 'v1',
    kind,
    metadata: {
      uid: metadata.name,
      annotations: {},
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ownerReferences: [],
      ...metadata,
    },
    ...rest,
  }
}
