import { Listener } from '@ambient/event-loop'
import { SessionPool } from '@ambient/hbone'
import {
  Errno,
  formatAddress,
  listenOn,
  type NetworkNamespace,
  resetSocket,
  type SocketAddress,
  SyscallError,
} from '@ambient/linux'
import { ports } from '@ambient/telemetry'
import { bindDns } from '../dns/bind-dns.ts'
import { PodDns } from '../dns/pod-dns.ts'
import { serveHbone } from '../inbound/serve-hbone.ts'
import { servePlaintext } from '../inbound/serve-plaintext.ts'
import { FailingEndpoints } from '../outbound/failing-endpoints.ts'
import { serveOutbound } from '../outbound/serve-outbound.ts'
import { serveSocks } from '../socks/serve-socks.ts'
import { Connection, type ConnectionFacts, refusedLine } from './connection.ts'
import type { LiveConnection, PodInfo, PodListeners, WorkerSettings } from './messages.ts'
import type { Closable, PodContext, Reauthorize, Refusal, WorkerShared } from './pod-context.ts'

type Serve = (fd: number, peer: SocketAddress, pod: PodContext) => void

interface Served {
  readonly port: number
  readonly serve: Serve
  /** Reached without a redirect, by the pod's own apps only. */
  readonly onLoopback?: boolean
}

const HBONE: Served = { port: ports.inboundHbone.port, serve: serveHbone }
const SERVED: readonly Served[] = [
  { port: ports.outbound.port, serve: serveOutbound },
  { port: ports.inboundPlaintext.port, serve: servePlaintext },
  HBONE,
]
const SOCKS5: Served = { port: ports.socks5.port, serve: serveSocks, onLoopback: true }

export interface PodWish {
  readonly uid: string
  readonly info: PodInfo
  /** All, unless it says otherwise. */
  readonly listens?: PodListeners
}

const ACCEPT = { acceptsPerTurn: 64, acceptPauseMs: 100 } as const

/** One pod on one byte thread: its listeners, its pool of HBONE sessions, and what is open. */
export class PodProxy implements PodContext {
  readonly uid: string
  readonly info: PodInfo
  readonly netns: NetworkNamespace
  readonly shared: WorkerShared
  readonly pool: SessionPool
  readonly failing: FailingEndpoints
  readonly keepsSource: boolean
  readonly #listeners: Listener[] = []
  readonly #connections = new Map<Connection, Reauthorize | undefined>()
  readonly #servers = new Set<Closable>()
  #dns: PodDns | undefined
  #isOpen = true

  private constructor({ uid, info, listens }: PodWish, shared: WorkerShared, netns: NetworkNamespace) {
    this.uid = uid
    this.info = info
    this.keepsSource = listens !== 'hbone'
    this.shared = shared
    this.netns = netns
    this.pool = new SessionPool(shared.loop, shared.limits)
    this.failing = new FailingEndpoints(shared.loop)
  }

  /**
   * Binds the pod's listeners inside its namespace, which it owns from here on.
   *
   * @throws {SyscallError} naming the port that could not be bound; nothing is left open.
   */
  static open(wish: PodWish, netns: NetworkNamespace, shared: WorkerShared): PodProxy {
    const proxy = new PodProxy(wish, shared, netns)
    try {
      proxy.#listen(wish.listens ?? 'all')
    } catch (cause) {
      proxy.close('listeners could not be bound')
      throw cause
    }
    return proxy
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get isIdle(): boolean {
    return this.#connections.size === 0 && this.#dns?.isIdle !== false
  }

  track(facts: ConnectionFacts, reauthorize?: Reauthorize): Connection {
    const { loop, report } = this.shared
    // An inbound stream shares the socket that its session was adopted with.
    const side =
      facts.direction === 'outbound' ? 'source' : facts.protocol === 'TCP' ? 'destination' : undefined
    if (side !== undefined) report.socketChanged(side, 1)
    const connection: Connection = new Connection(facts, {
      report,
      loop,
      onEnd: () => {
        this.#connections.delete(connection)
        if (side !== undefined) report.socketChanged(side, -1)
      },
    })
    this.#connections.set(connection, reauthorize)
    return connection
  }

  refuse(fd: number, { direction, src, dst, reason, detail }: Refusal): void {
    resetSocket(fd)
    this.refused({ direction, src, dst, reason, detail })
  }

  refused({ direction, src, dst, reason, detail }: Refusal): void {
    this.shared.report.log(
      refusedLine(direction, { src: formatAddress(src), dst: formatAddress(dst) }, { reason, detail }),
    )
  }

  adopt(server: Closable, side: 'source' | 'destination'): () => void {
    const { report } = this.shared
    this.#servers.add(server)
    report.socketChanged(side, 1)
    return () => {
      if (this.#servers.delete(server)) report.socketChanged(side, -1)
    }
  }

  get lookup(): PodContext['lookup'] {
    const dns = this.#dns
    return dns && ((hostname, family, use) => dns.lookup(hostname, family, use))
  }

  /** Asks again for every connection that was let in, and cuts those that would no longer be. */
  reauthorize(): void {
    for (const [connection, ask] of [...this.#connections]) {
      const verdict = ask?.()
      if (verdict?.kind === 'denied')
        connection.cut({
          reason: 'POLICY_CHANGED',
          detail: verdict.detail,
          policy: verdict.policy,
        })
    }
  }

  describe(nowMs: number): readonly LiveConnection[] {
    return [...this.#connections.keys()].map((connection) => connection.describe(nowMs))
  }

  /** Stops accepting and lets what is open finish. */
  drain(): void {
    for (const listener of this.#listeners.splice(0)) listener.closeAfterDrain()
    this.#dns?.drain()
    this.pool.drain()
    for (const server of [...this.#servers]) server.drain()
  }

  /** Cuts everything at once: the pod is gone, or no longer ours. */
  close(reason: string): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (const listener of this.#listeners.splice(0)) listener.close()
    this.#dns?.close()
    for (const connection of [...this.#connections.keys()])
      connection.cut({ reason: 'DRAINED', detail: reason })
    for (const server of [...this.#servers]) server.close(reason)
    this.pool.close(reason)
    this.netns[Symbol.dispose]()
  }

  #listen(listens: PodListeners): void {
    const { loop, settings, contain, snapshot, waits } = this.shared
    const { packetMark: mark, ipv6 } = settings
    const dns = listens === 'all' ? this.shared.dns : undefined
    const all = settings.socks5 ? [...SERVED, SOCKS5] : SERVED
    const served = listens === 'all' ? all : [HBONE]
    // All are bound before any accepts, so that a failure leaves no half of a proxy.
    const { bound, boundDns } = this.netns.enter(() => {
      const made: number[] = []
      try {
        for (const one of served) made.push(bindListener(one, settings))
        return { bound: made, boundDns: dns && bindDns(dns.settings.addresses, mark) }
      } catch (cause) {
        for (const fd of made) resetSocket(fd)
        throw cause
      }
    })
    if (dns !== undefined && boundDns !== undefined) {
      const { info, netns } = this
      this.#dns = new PodDns(boundDns, { thread: dns, info, netns, snapshot, waits, mark, ipv6 })
    }
    for (const [index, { serve }] of served.entries()) {
      const fd = bound[index]
      if (fd === undefined) continue
      const onAccept = (accepted: number, peer: SocketAddress): void =>
        contain(accepted, () => serve(accepted, peer, this))
      this.#listeners.push(new Listener(fd, loop, ACCEPT, onAccept))
    }
  }
}

/** @throws {SyscallError} */
function bindListener({ port, onLoopback }: Served, settings: WorkerSettings): number {
  const { packetMark: mark, ipv6, originalSource } = settings
  const ip = onLoopback === true ? '127.0.0.1' : ipv6 ? '::' : '0.0.0.0'
  const options = { mark, reusePort: true }
  try {
    return listenOn({ ip, port }, { ...options, transparent: originalSource !== 'never' })
  } catch (cause) {
    const isRight = cause instanceof SyscallError && cause.errno === Errno.EPERM
    // Without the right to it we can still serve, under our own address.
    if (!isRight || originalSource === 'always') throw cause
    return listenOn({ ip, port }, options)
  }
}
