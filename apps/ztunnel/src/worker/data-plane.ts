import type { EventLoop } from '@ambient/event-loop'
import { type HboneLimits, hboneLimits, LoopBuffers, PipeCache } from '@ambient/hbone'
import { type Random } from '@ambient/lifecycle'
import {
  closeDescriptor,
  duplicateDescriptor,
  NetworkNamespace,
  resetSocket,
  SyscallError,
} from '@ambient/linux'
import { illegalPorts, LevelFilter } from '@ambient/telemetry'
import { TlsContext } from '@ambient/tls'
import type { DnsLimits } from '../dns/dns-limits.ts'
import { openDnsThread } from '../dns/dns-thread.ts'
import { ThreadProfiler } from '../profile/thread-profiler.ts'
import { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { AddressWaits } from './address-waits.ts'
import { HostAddresses } from './host-addresses.ts'
import { IdentityStore } from './identity-store.ts'
import type {
  HandoverCommand,
  KnowledgeCommand,
  QuestionCommand,
  WorkerCommand,
  WorkerReport,
  WorkerSettings,
} from './messages.ts'
import { threadName } from './thread-name.ts'
import { PodProxy } from './pod-proxy.ts'
import type { WorkerShared } from './pod-context.ts'
import { Revocations } from './revocations.ts'
import { TrafficReport } from './traffic-report.ts'
import { type WaitLimits, waitLimits } from './wait-limits.ts'
import { WorkloadWaits } from './workload-waits.ts'

const DRAIN_LOOK_MS = 20

export interface DataPlaneOptions {
  readonly loop: EventLoop
  readonly settings: WorkerSettings
  readonly random: Random
  readonly post: (report: WorkerReport) => void
  /** For tests, which have less time. */
  readonly dnsLimits?: Partial<DnsLimits>
  /** Other bounds than the table's: for tests. */
  readonly limits?: HboneLimits
  readonly waitLimits?: Partial<WaitLimits>
}

/** Everything one byte thread does, as commands in and reports out. */
export class DataPlane {
  readonly #options: DataPlaneOptions
  readonly #pods = new Map<string, PodProxy>()
  readonly #shared: WorkerShared
  readonly #profiler = new ThreadProfiler()
  #logFilter: LevelFilter

  constructor(options: DataPlaneOptions) {
    this.#options = options
    const { loop, settings, random, post } = options
    this.#logFilter = LevelFilter.parse(settings.logFilter)
    const snapshot = new MeshSnapshot()
    const limits = options.limits ?? hboneLimits(settings.tunnelLimits)
    const waiting = waitLimits(options.waitLimits)
    const after = (delayMs: number, fire: () => void) => loop.after(delayMs, fire)
    const report = new TrafficReport({ post, after, defer: (run) => loop.defer({ run }) })
    this.#shared = {
      loop,
      settings,
      illegalPorts: illegalPorts({ socks5: settings.socks5 }),
      random,
      snapshot,
      limits,
      buffers: new LoopBuffers(limits),
      pipes: new PipeCache(limits),
      identities: new IdentityStore({
        after,
        waitMs: waiting.identityWaitMs,
        request: (id) => post({ kind: 'need-identity', id }),
        makeContext: ({ certificateChainPem, privateKeyPem, trustBundlePem }) =>
          new TlsContext(
            { certificateChainPem, privateKeyPem, rootsPem: trustBundlePem },
            settings.tlsGroups === undefined ? {} : { groups: settings.tlsGroups },
          ),
      }),
      revocations: new Revocations({
        count: (reporter) => report.count('istio_crl_policy_rejections_total', [reporter]),
      }),
      addresses: settings.isOnDemand
        ? new AddressWaits({
            after,
            waitMs: waiting.addressWaitMs,
            request: (names) => post({ kind: 'need-addresses', names }),
          })
        : undefined,
      hosts: new HostAddresses({
        after,
        clock: loop,
        limits: waiting,
        request: (hostname) => post({ kind: 'need-host', hostname }),
      }),
      waits: new WorkloadWaits({
        after,
        waitMs: waiting.workloadWaitMs,
        find: (info) => snapshot.localWorkload(info),
      }),
      report,
      dns: openDnsThread(settings.dns, {
        loop,
        random,
        limits: options.dnsLimits ?? {},
        post: (counts) => post({ kind: 'dns', counts }),
        log: (line) => report.log(line),
        isLogged: () => this.#logFilter.allows('dns', 'debug'),
      }),
      isLogged: (scope, level) => this.#logFilter.allows(scope, level),
      contain: (fd, step) => loop.contain({ onFault: () => resetSocket(fd) }, step),
    }
  }

  handle(command: WorkerCommand): void {
    if (isQuestion(command)) return this.#answer(command)
    switch (command.kind) {
      case 'add-pod':
        return this.#add(command, () => PodProxy.open(command, namespaceOf(command), this.#shared))
      case 'add-own':
        return this.#add(command, () => PodProxy.open(command, NetworkNamespace.own(), this.#shared))
      case 'remove-pod':
        this.#pods.get(command.uid)?.close('the pod left the mesh')
        this.#pods.delete(command.uid)
        return this.#options.post({ kind: 'pod-removed', uid: command.uid })
      case 'share-sockets':
      case 'park-pod':
      case 'resume-pods':
        return this.#handOver(command)
      case 'snapshot-delta':
        return this.#applyDelta(command)
      case 'log-filter':
        this.#logFilter = LevelFilter.parse(command.filter)
        return
      case 'drain':
        return this.#drain()
      default:
        return this.#learn(command)
    }
  }

  #handOver(command: HandoverCommand): void {
    const { post } = this.#options
    switch (command.kind) {
      case 'share-sockets': {
        const sockets = this.#pods.get(command.uid)?.share() ?? []
        return post({ kind: 'sockets', request: command.request, sockets })
      }
      case 'park-pod':
        this.#pods.get(command.uid)?.park()
        return post({ kind: 'pod-parked', uid: command.uid })
      case 'resume-pods':
        for (const pod of this.#pods.values()) pod.resume()
    }
  }

  #learn(command: KnowledgeCommand): void {
    const { addresses, hosts, identities, revocations } = this.#shared
    switch (command.kind) {
      case 'addresses-answered':
        return addresses?.answered(command.names)
      case 'addresses-dropped':
        return addresses?.dropped(command.names)
      case 'host-resolved':
        return hosts.resolved(command.hostname, command.addresses, command.ttlMs)
      case 'host-failed':
        return hosts.failed(command.hostname, command.detail)
      case 'revocation-lists':
        return revocations.replace(command.file)
      case 'identity':
        return identities.put(command.id, command.material)
      case 'identity-unavailable':
        return identities.refuse(command.id, command.detail)
      case 'forget-identity':
        return identities.forget(command.id)
    }
  }

  #add({ uid }: { readonly uid: string }, open: () => PodProxy): void {
    const { post } = this.#options
    try {
      this.#pods.get(uid)?.close('replaced')
      this.#pods.set(uid, open())
      post({ kind: 'pod-added', uid, error: undefined })
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause
      post({ kind: 'pod-added', uid, error: cause.message })
    }
  }

  /** One version at a time: nothing is decided between the change and what follows from it. */
  #applyDelta({ delta }: Extract<WorkerCommand, { kind: 'snapshot-delta' }>): void {
    const change = this.#shared.snapshot.apply(delta)
    if (change.workloads.size > 0) this.#shared.waits.recheck()
    if (change.policies.size === 0 && change.workloads.size === 0) return
    for (const pod of this.#pods.values()) {
      const local = this.#shared.snapshot.localWorkload(pod.info)
      const affected = change.policies.size > 0 || local === undefined || change.workloads.has(local.uid)
      if (affected) pod.reauthorize()
    }
  }

  #describe(request: number): void {
    const { loop, post } = this.#options
    const pods = Object.fromEntries([...this.#pods].map(([uid, pod]) => [uid, pod.describe(loop.nowMs)]))
    const sessions = [...this.#pods.values()].reduce((sum, pod) => sum + pod.pool.size, 0)
    post({ kind: 'description', request, description: { pods, loop: { ...loop.counters }, sessions } })
  }

  #answer(command: QuestionCommand): void {
    const { request } = command
    if (command.kind === 'describe') return this.#describe(request)
    const { post, settings } = this.#options
    const stacks = this.#profiler.do(command.step)
    post({ kind: 'profiled', request, thread: threadName(settings.index), stacks })
  }

  /** Stop accepting, wait, cut what is left at the deadline. */
  #drain(): void {
    const { loop, settings, post } = this.#options
    const deadlineMs = loop.nowMs + settings.drainMs
    for (const pod of this.#pods.values()) pod.drain()
    const look = (): void => {
      const open = [...this.#pods.values()].filter((pod) => !pod.isIdle)
      if (open.length > 0 && loop.nowMs < deadlineMs) return void loop.after(DRAIN_LOOK_MS, look)
      for (const pod of this.#pods.values()) pod.close('drain deadline')
      this.#shared.report.flushTraffic()
      this.#shared.dns?.report.flush()
      this.#shared.report.flushLines()
      post({ kind: 'drained' })
    }
    look()
  }
}

function isQuestion(command: WorkerCommand): command is QuestionCommand {
  return command.kind === 'describe' || command.kind === 'profile'
}

/** @throws {SyscallError} with what came along closed. */
function namespaceOf({ netns, inherited }: Extract<WorkerCommand, { kind: 'add-pod' }>): NetworkNamespace {
  try {
    return NetworkNamespace.fromDescriptor(duplicateDescriptor(netns))
  } catch (cause) {
    for (const { fd } of inherited) closeDescriptor(fd)
    throw cause
  }
}
