import { Listener } from '@ambient/event-loop'
import { SessionPool } from '@ambient/hbone'
import {
  duplicateDescriptor,
  formatAddress,
  type NetworkNamespace,
  resetSocket,
  type SocketAddress,
} from '@ambient/linux'
import { PodDns } from '../dns/pod-dns.ts'
import { serveHbone } from '../inbound/serve-hbone.ts'
import { servePlaintext } from '../inbound/serve-plaintext.ts'
import { FailingEndpoints } from '../outbound/failing-endpoints.ts'
import { serveOutbound } from '../outbound/serve-outbound.ts'
import { serveSocks } from '../socks/serve-socks.ts'
import { bindPod } from './bind-pod.ts'
import { Connection, type ConnectionFacts, refusedLine } from './connection.ts'
import type { LiveConnection, PodInfo, PodListeners } from './messages.ts'
import type { Closable, PodContext, Reauthorize, Refusal, WorkerShared } from './pod-context.ts'
import type { PodSocket, PodSocketRole } from './pod-socket.ts'

type Serve = (fd: number, peer: SocketAddress, pod: PodContext) => void

const SERVES: Readonly<Record<Exclude<PodSocketRole, 'dns-udp' | 'dns-tcp'>, Serve>> = {
  outbound: serveOutbound,
  'inbound-plaintext': servePlaintext,
  'inbound-hbone': serveHbone,
  socks5: serveSocks,
}

export interface PodWish {
  readonly uid: string
  readonly info: PodInfo
  /** All, unless it says otherwise. */
  readonly listens?: PodListeners
  /** Listening sockets that a predecessor has handed over; the proxy's from here on. */
  readonly inherited?: readonly PodSocket[]
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
  #sockets: readonly PodSocket[] = []
  readonly #connections = new Map<Connection, Reauthorize | undefined>()
  readonly #servers = new Set<Closable>()
  #dns: PodDns | undefined
  #isOpen = true
  #isParked = false

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
      proxy.#listen(wish)
    } catch (cause) {
      proxy.close('listeners could not be bound')
      throw cause
    }
    return proxy
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Sessions count as well: who has just been told to go may have sent a request before it heard. */
  get isIdle(): boolean {
    return this.#connections.size === 0 && this.#servers.size === 0 && this.#dns?.isIdle !== false
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
    if (this.#isParked) server.drain()
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

  /** Duplicates of the listening sockets, the caller's, for the next ztunnel; this one goes on accepting. */
  share(): readonly PodSocket[] {
    this.#dns?.share()
    return this.#sockets.map((socket) => ({ ...socket, fd: duplicateDescriptor(socket.fd) }))
  }

  /** The next ztunnel accepts: we take nothing new and finish what we have, peers are told to connect anew. */
  park(): void {
    if (!this.#isOpen) return
    this.#isParked = true
    for (const listener of this.#listeners) listener.park()
    this.#dns?.park()
    for (const server of [...this.#servers]) server.drain()
  }

  /** The next ztunnel is gone before its time: the sockets are ours again, with all that waits in them. */
  resume(): void {
    this.#isParked = false
    for (const listener of this.#listeners) listener.resume()
    this.#dns?.resume()
  }

  /** Stops accepting and lets what is open finish. */
  drain(): void {
    this.#sockets = []
    for (const listener of this.#listeners.splice(0)) listener.closeAfterDrain()
    this.#dns?.drain()
    this.pool.drain()
    for (const server of [...this.#servers]) server.drain()
  }

  /** Cuts everything at once: the pod is gone, or no longer ours. */
  close(reason: string): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#sockets = []
    for (const listener of this.#listeners.splice(0)) listener.close()
    this.#dns?.close()
    for (const connection of [...this.#connections.keys()])
      connection.cut({ reason: 'DRAINED', detail: reason })
    for (const server of [...this.#servers]) server.close(reason)
    this.pool.close(reason)
    this.netns[Symbol.dispose]()
  }

  #listen({ listens = 'all', inherited = [] }: PodWish): void {
    const { loop, settings, contain, snapshot, waits, dns } = this.shared
    const { info, netns } = this
    // All are bound before any accepts, so that a failure leaves no half of a proxy.
    const sockets = netns.enter(() => bindPod(listens, settings, inherited))
    this.#sockets = sockets
    for (const { role, fd } of sockets) {
      if (role === 'dns-udp' || role === 'dns-tcp') continue
      const serve = SERVES[role]
      const onAccept = (accepted: number, peer: SocketAddress): void =>
        contain(accepted, () => serve(accepted, peer, this))
      this.#listeners.push(new Listener(fd, loop, ACCEPT, onAccept))
    }
    if (dns === undefined || listens !== 'all') return
    const { packetMark: mark, ipv6 } = settings
    this.#dns = new PodDns(sockets, {
      thread: dns,
      info,
      netns,
      snapshot,
      waits,
      mark,
      ipv6,
      isInherited: inherited.length > 0,
    })
  }
}
