import { CLASS_IN, recordTypes } from '@ambient/dns'
import { Listener } from '@ambient/event-loop'
import { type NetworkNamespace, resetSocket, tcpSocket, udpSocket } from '@ambient/linux'
import type { MeshSnapshot } from '../state/mesh-snapshot.ts'
import type { PodSocket } from '../worker/pod-socket.ts'
import type { HostAnswer } from '../worker/host-addresses.ts'
import type { PodInfo } from '../worker/messages.ts'
import type { WorkloadWaits } from '../worker/workload-waits.ts'
import { DatagramListener } from './datagram-listener.ts'
import type { DnsLimitName } from './dns-limits.ts'
import type { DnsRequest } from './dns-request.ts'
import type { DnsThread } from './dns-thread.ts'
import { ForwardedQuery } from './forward-query.ts'
import { encodeLookup, readLookup } from './lookup-message.ts'
import { resolveQuestion } from './resolve-question.ts'
import { type DnsPod, serveQuery } from './served-query.ts'
import { TcpClient } from './tcp-client.ts'

export interface PodDnsDeps {
  readonly thread: DnsThread
  readonly info: PodInfo
  readonly netns: NetworkNamespace
  readonly snapshot: MeshSnapshot
  readonly waits: WorkloadWaits
  readonly mark: number | undefined
  readonly ipv6: boolean
  /** The sockets may be another ztunnel's as well, which has handed them over. */
  readonly isInherited: boolean
}

const ACCEPT = { acceptsPerTurn: 16, acceptPauseMs: 100 } as const

/** The DNS proxy of one pod on one thread: its sockets, and what waits. */
export class PodDns {
  readonly #deps: PodDnsDeps
  readonly #datagrams: readonly DatagramListener[]
  readonly #listeners: readonly Listener[]
  readonly #clients = new Set<TcpClient>()
  readonly #forwards = new Set<ForwardedQuery>()
  #pending = 0
  #isOpen = true

  /** Owns those of `sockets` that are for DNS. */
  constructor(sockets: readonly PodSocket[], deps: PodDnsDeps) {
    this.#deps = deps
    const pod = this.#pod()
    const serve = (request: DnsRequest): void => serveQuery(request, pod)
    const of = (role: PodSocket['role']): readonly PodSocket[] =>
      sockets.filter((socket) => socket.role === role)
    this.#datagrams = of('dns-udp').map((socket) => new DatagramListener(socket, deps.thread, serve))
    this.#listeners = of('dns-tcp').map(
      ({ fd }) => new Listener(fd, deps.thread.loop, ACCEPT, (accepted) => this.#accept(accepted, serve)),
    )
    if (deps.isInherited) this.share()
  }

  /** Asks for a name as an app of the pod would over TCP. Nothing comes once the pod is gone. */
  lookup(hostname: string, family: 'v4' | 'v6', use: (answer: HostAnswer) => void): void {
    const type = family === 'v4' ? recordTypes.A : recordTypes.AAAA
    const id = new DataView(this.#deps.thread.random.bytes(2).buffer).getUint16(0)
    const bytes = encodeLookup(id, { name: hostname, type, class: CLASS_IN })
    serveQuery(
      { bytes, transport: 'tcp', answer: (message) => use(readLookup(hostname, message)) },
      this.#pod(),
    )
  }

  /** Whether nobody waits for an answer. */
  get isIdle(): boolean {
    return this.#pending === 0 && this.#clients.size === 0
  }

  /** The sockets are about to be another ztunnel's as well. */
  share(): void {
    for (const listener of this.#datagrams) listener.share()
  }

  /** Takes no further query, which is another's to answer; those that came are answered. */
  park(): void {
    for (const listener of [...this.#datagrams, ...this.#listeners]) listener.park()
    for (const client of [...this.#clients]) client.drain()
  }

  resume(): void {
    for (const listener of [...this.#datagrams, ...this.#listeners]) listener.resume()
  }

  /** Takes no further query; those that came are answered. */
  drain(): void {
    for (const listener of this.#datagrams) listener.drain()
    for (const listener of this.#listeners) listener.closeAfterDrain()
    for (const client of [...this.#clients]) client.drain()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (const listener of [...this.#datagrams, ...this.#listeners]) listener.close()
    for (const forward of this.#forwards) forward.close()
    for (const client of [...this.#clients]) client.close()
    this.#deps.thread.pending.count -= this.#pending
    this.#pending = 0
  }

  #accept(fd: number, serve: (request: DnsRequest) => void): void {
    const { thread } = this.#deps
    if (this.#clients.size >= thread.limits.dnsConnectionsPerPod) {
      thread.report.limitHit('dnsConnectionsPerPod')
      return resetSocket(fd)
    }
    const client: TcpClient = new TcpClient(fd, {
      thread,
      onRequest: serve,
      onClosed: () => void this.#clients.delete(client),
    })
    this.#clients.add(client)
  }

  #pod(): DnsPod {
    const { thread, snapshot, waits, info, ipv6 } = this.#deps
    const { clusterDomain, searchDomains, preferredNamespace } = thread.settings
    const { random } = thread
    return {
      thread,
      local: () => snapshot.localWorkload(info),
      withLocal: (use) =>
        void waits.withWorkload(info, (workload) => (this.#isOpen ? use(workload) : undefined)),
      resolve: (question, workload) =>
        resolveQuestion(snapshot, question, {
          workload,
          clusterDomain,
          searchDomains,
          preferredNamespace,
          ipv6,
          random,
        }),
      forward: (request, onEnd) => {
        const forward: ForwardedQuery = new ForwardedQuery(request, {
          thread,
          openSocket: (kind, family) => this.#openSocket(kind, family),
          onEnd: (end) => {
            this.#forwards.delete(forward)
            onEnd(end)
          },
        })
        this.#forwards.add(forward)
        forward.start()
      },
      admit: () => this.#admit(),
      release: () => this.#release(),
    }
  }

  #openSocket(kind: 'udp' | 'tcp', family: 'v4' | 'v6'): number {
    const { netns, mark } = this.#deps
    return netns.enter(() => (kind === 'udp' ? udpSocket : tcpSocket)({ family, mark }))
  }

  #admit(): boolean {
    const { pending, limits, report } = this.#deps.thread
    const hit: DnsLimitName | undefined =
      this.#pending >= limits.dnsPendingPerPod
        ? 'dnsPendingPerPod'
        : pending.count >= limits.dnsPending
          ? 'dnsPending'
          : undefined
    if (hit !== undefined) {
      report.limitHit(hit)
      return false
    }
    this.#pending++
    pending.count++
    return true
  }

  #release(): void {
    if (!this.#isOpen) return
    this.#pending--
    this.#deps.thread.pending.count--
  }
}
