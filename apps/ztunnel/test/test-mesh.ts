/** One byte thread's whole data plane in this process, with pods in namespaces and certificates of a CA that all trust. */
import { EventLoop } from '@ambient/event-loop'
import { systemRandom } from '@ambient/lifecycle'
import type { Address, Service, Workload } from '@ambient/model'
import { type AuthorizationPolicy, policyKey } from '@ambient/policy'
import { spiffeId } from '@ambient/spiffe'
import {
  type IssuedCertificate,
  keepTurning,
  leakedDescriptors,
  testCa,
  type TestCa,
  waitFor,
} from '@ambient/testkit'
import { expect } from 'vitest'
import type { LogLine } from '@ambient/telemetry'
import { DataPlane, type DataPlaneOptions } from '../src/worker/data-plane.ts'
import type {
  CountSample,
  TrafficSample,
  WorkerDescription,
  WorkerReport,
  WorkerSettings,
} from '../src/worker/messages.ts'
import { podIdentity } from '../src/worker/pod-identity.ts'
import type { TestPod } from './pod-net.ts'

const SETTINGS: WorkerSettings = {
  index: 0,
  wakeFd: -1,
  network: '',
  packetMark: 1337,
  ipv6: false,
  originalSource: 'always',
  tcp: { keepAlive: undefined, userTimeoutMs: undefined },
  tunnelLimits: {},
  drainMs: 100,
  tlsGroups: undefined,
  clusterId: 'Kubernetes',
  tunnelsToLoopback: true,
  exchangesBaggage: true,
  isOnDemand: false,
  socks5: false,
  logsPolicies: false,
  dns: undefined,
  logFilter: 'info,dns=debug,rbac=debug',
}

/** So many are looked at to see that it sleeps; a report that is due may wake it a few times. */
const QUIET_TURNS = 40

export interface TestMeshOptions extends Pick<DataPlaneOptions, 'dnsLimits' | 'limits' | 'waitLimits'> {
  /** Another mesh's, to be trusted by both. */
  readonly ca?: TestCa
  /** Plays the control thread. */
  readonly onReport?: (report: WorkerReport) => void
}

/** The beginning of upstream's spelling, so that a test reads as the log does. */
export type AccessFields = LogLine['fields']

export class TestMesh implements Disposable {
  readonly loop: EventLoop
  readonly plane: DataPlane
  readonly ca: TestCa
  readonly faults: unknown[] = []
  readonly lines: LogLine[] = []
  readonly samples: TrafficSample[] = []
  readonly counts: CountSample[] = []
  readonly reports: WorkerReport[] = []
  readonly #onReport: TestMeshOptions['onReport']
  readonly #turning: Disposable
  readonly #workloads = new Map<TestPod, Workload>()

  private constructor(ca: TestCa, settings: Partial<WorkerSettings>, options: TestMeshOptions) {
    this.ca = ca
    this.#onReport = options.onReport
    this.loop = new EventLoop({ onFault: (_owner, cause) => void this.faults.push(cause) })
    this.plane = new DataPlane({
      loop: this.loop,
      settings: { ...SETTINGS, ...settings },
      random: systemRandom,
      post: (report) => this.#received(report),
      ...options,
    })
    this.#turning = keepTurning(this.loop)
  }

  static async open(
    settings: Partial<WorkerSettings> = {},
    options: TestMeshOptions = {},
  ): Promise<TestMesh> {
    return new TestMesh(options.ca ?? (await testCa()), settings, options)
  }

  /** Takes a pod on: its listeners, its workload, its certificate. */
  async enrol(pod: TestPod, workload: Workload): Promise<void> {
    const { name, namespace, serviceAccount } = workload
    const info = { name, namespace, serviceAccount }
    const { certificateChainPem, privateKeyPem, rootsPem } = await this.certificate(workload)
    const material = { certificateChainPem, privateKeyPem, trustBundlePem: rootsPem }
    this.know(workload)
    this.plane.handle({ kind: 'identity', id: podIdentity(info, workload), material })
    this.plane.handle({ kind: 'add-pod', uid: workload.uid, info, netns: pod.netns.fd, inherited: [] })
    this.#workloads.set(pod, workload)
  }

  leave(pod: TestPod): void {
    const workload = this.#workloads.get(pod)
    if (workload !== undefined) this.plane.handle({ kind: 'remove-pod', uid: workload.uid })
  }

  certificate(workload: Workload): Promise<IssuedCertificate> {
    return this.ca.issue({ uris: [spiffeId(workload)] })
  }

  know(...parts: readonly (Workload | Service)[]): void {
    const upserts = parts.map((part): Address =>
      'uid' in part ? { kind: 'workload', workload: part } : { kind: 'service', service: part },
    )
    this.plane.handle({
      kind: 'snapshot-delta',
      delta: { addresses: { upserts, removed: [] }, policies: { upserts: [], removed: [] } },
    })
  }

  forget(...workloads: readonly Workload[]): void {
    const removed = workloads.map(({ uid }) => uid)
    this.plane.handle({
      kind: 'snapshot-delta',
      delta: { addresses: { upserts: [], removed }, policies: { upserts: [], removed: [] } },
    })
  }

  /** Policies that come, and others that go, in one push. */
  restrict(upserts: readonly AuthorizationPolicy[], gone: readonly AuthorizationPolicy[] = []): void {
    this.plane.handle({
      kind: 'snapshot-delta',
      delta: { addresses: { upserts: [], removed: [] }, policies: { upserts, removed: gone.map(policyKey) } },
    })
  }

  /** What is open now, as the configuration dump shows it. */
  describe(): WorkerDescription {
    this.plane.handle({ kind: 'describe', request: 0 })
    const report = this.reports.findLast((each) => each.kind === 'description')
    if (report === undefined) throw new Error('the data plane did not describe itself')
    return report.description
  }

  /** How often a counter was counted up so far. */
  counted(metric: CountSample['metric'], ...labels: readonly string[]): number {
    return this.counts
      .filter((sample) => sample.metric === metric && sample.labels.join() === labels.join())
      .reduce((sum, { amount }) => sum + amount, 0)
  }

  /** The next line of the access log, of those since the last call, that has all of `fields`. */
  async logged(message: string, fields: AccessFields): Promise<AccessFields> {
    return waitFor(`"${message}" with ${JSON.stringify(fields)}`, () => {
      const at = this.lines.findIndex(
        (line) =>
          line.message === message &&
          Object.entries(fields).every(([name, value]) => line.fields[name] === value),
      )
      if (at < 0)
        throw new Error(`logged: ${JSON.stringify(this.lines.map((line) => [line.message, line.fields]))}`)
      const [found] = this.lines.splice(0, at + 1).slice(-1)
      return found?.fields
    })
  }

  /**
   * Waits until nothing is open but what was then, then sees the loop sleep.
   *
   * @param before `openDescriptors()` of then.
   */
  async quiet(before: ReadonlyMap<number, string>): Promise<void> {
    await waitFor('everything to be closed', () => {
      expect(Object.values(this.describe().pods).flat()).toEqual([])
      expect(leakedDescriptors(before)).toEqual([])
      return true
    })
    expect(this.faults).toEqual([])
    const { counters } = this.loop
    const since = { ...counters }
    await waitFor('the loop to turn', () => counters.turns - since.turns > QUIET_TURNS)
    const busy = counters.turns - since.turns - (counters.emptyTurns - since.emptyTurns)
    expect(busy).toBeLessThan(QUIET_TURNS / 4)
  }

  [Symbol.dispose](): void {
    for (const { uid } of this.#workloads.values()) this.plane.handle({ kind: 'remove-pod', uid })
    this.#turning[Symbol.dispose]()
    this.loop[Symbol.dispose]()
  }

  #received(report: WorkerReport): void {
    if (report.kind === 'log') this.lines.push(...report.lines)
    else if (report.kind === 'traffic') {
      this.samples.push(...report.samples)
      this.counts.push(...report.counts)
    } else this.reports.push(report)
    this.#onReport?.(report)
  }
}
