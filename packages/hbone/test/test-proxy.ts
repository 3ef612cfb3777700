/** The least that makes two hops of this package: accepts, dials, joins. No policy. */
import { Listener, type EventLoop } from '@ambient/event-loop'
import {
  closeDescriptor,
  listenOn,
  localAddress,
  resetSocket,
  setNoDelay,
  startConnect,
  tcpSocket,
} from '@ambient/linux'
import { PlainTransport, TlsContext, TlsTransport, type Transport } from '@ambient/tls'
import type { IssuedCertificate } from '@ambient/testkit'
import {
  connectFields,
  type H2Session,
  type HboneLimits,
  hboneLimits,
  H2Session as Session,
  LoopBuffers,
  PipeCache,
  Relay,
  type RelayEnd,
  SessionPool,
  type SessionEnd,
  type Tunnel,
  type TunnelEnd,
  type TunnelRequest,
  type UntouchedCause,
} from '../src/index.ts'

export interface TestProxyOptions {
  readonly loop: EventLoop
  readonly limits?: Partial<HboneLimits>
  /** Without it HTTP/2 is plain. */
  readonly certificate?: IssuedCertificate
}

export interface OutboundOptions {
  readonly expected?: string
  readonly isWaypoint?: boolean
}

const MAX_ATTEMPTS = 3
const ACCEPT_LIMITS = { acceptsPerTurn: 64, acceptPauseMs: 50 }

export class TestProxy {
  readonly loop: EventLoop
  readonly limits: HboneLimits
  readonly buffers: LoopBuffers
  readonly pool: SessionPool
  readonly pipes: PipeCache
  readonly servers = new Set<H2Session>()
  readonly clients = new Set<H2Session>()
  readonly tunnels = new Set<Tunnel>()
  readonly relays = new Set<Relay>()
  /** How they ended; for a tunnel that never began, why. */
  readonly ends: (TunnelEnd | RelayEnd | UntouchedCause)[] = []
  readonly sessionEnds: SessionEnd[] = []
  readonly requests: TunnelRequest[] = []
  readonly refusals: string[] = []
  dials = 0
  /** What an inbound request is answered; 200 means dialling the app, 0 no answer at all. */
  status = 200
  preamble: Uint8Array | undefined
  onRequest: (tunnel: Tunnel) => void = () => {}
  readonly #context: TlsContext | undefined
  readonly #listeners = new Set<Listener>()

  constructor(options: TestProxyOptions) {
    this.loop = options.loop
    this.limits = hboneLimits(options.limits)
    this.buffers = new LoopBuffers(this.limits)
    this.pool = new SessionPool(options.loop, this.limits)
    this.pipes = new PipeCache(this.limits)
    this.#context = options.certificate === undefined ? undefined : new TlsContext(options.certificate)
  }

  get open(): number {
    return this.tunnels.size + this.relays.size
  }

  endKinds(): string[] {
    return this.ends.map((end) => end.kind)
  }

  serveOutbound(nextHop: number, options: OutboundOptions = {}): number {
    return this.#listen((fd) => this.#outbound(fd, nextHop, options, 1))
  }

  serveInbound(appPort: number): number {
    return this.#listen((fd) => {
      const session: H2Session = new Session(fd, this.#transport(fd, 'server'), 'server', {
        loop: this.loop,
        limits: this.limits,
        buffers: this.buffers,
        onClosed: (closed, end) => {
          this.sessionEnds.push(end)
          this.servers.delete(closed)
        },
        onRequest: (tunnel, request) => this.#inbound(session, tunnel, request, appPort),
        onRefused: (refusal) => void this.refusals.push(refusal.because),
      })
      this.servers.add(session)
    })
  }

  servePlaintext(appPort: number): number {
    return this.#listen((fd) => {
      const upstream = this.#dial(appPort)
      if (upstream === undefined) return resetSocket(fd)
      const relay = new Relay(fd, upstream, this)
      this.relays.add(relay)
      relay.onEnd = (end) => {
        this.relays.delete(relay)
        if (end.kind === 'connect-failed') resetSocket(end.fd)
        this.ends.push(end)
      }
    })
  }

  checkout(nextHop: number, options: OutboundOptions): H2Session | undefined {
    const key = `${nextHop}`
    return this.pool.checkout(key, () => this.#dialSession(key, nextHop, options))
  }

  /** Everything closed, nothing waited for. */
  close(): void {
    for (const listener of this.#listeners) listener.close()
    this.pool.close('test is over')
    for (const session of [...this.servers, ...this.clients]) session.close('test is over')
    for (const relay of Array.from(this.relays)) relay.abort('test is over')
    this.pipes.close()
    this.#context?.free()
  }

  #listen(onAccept: (fd: number) => void): number {
    const fd = listenOn({ ip: '127.0.0.1', port: 0 })
    const listener = new Listener(fd, this.loop, ACCEPT_LIMITS, (accepted) => {
      setNoDelay(accepted)
      onAccept(accepted)
    })
    this.#listeners.add(listener)
    return localAddress(fd).port
  }

  #outbound(fd: number, nextHop: number, options: OutboundOptions, attempt: number): void {
    const session = this.checkout(nextHop, options)
    if (session === undefined) return resetSocket(fd)
    const tunnel = session.open(fd, connectFields('127.0.0.1:80'), {
      isWaypoint: options.isWaypoint ?? false,
    })
    this.tunnels.add(tunnel)
    tunnel.onEnd = (end) => {
      this.tunnels.delete(tunnel)
      if (end.kind !== 'untouched') return void this.ends.push(end)
      if (end.cause.kind === 'not-taken' && attempt < MAX_ATTEMPTS)
        return this.#outbound(end.fd, nextHop, options, attempt + 1)
      resetSocket(end.fd)
      this.ends.push(end.cause)
    }
  }

  #inbound(session: H2Session, tunnel: Tunnel, request: TunnelRequest, appPort: number): void {
    this.requests.push(request)
    this.tunnels.add(tunnel)
    tunnel.onConnected = () => session.answer(tunnel, 200)
    tunnel.onEnd = (end) => {
      this.tunnels.delete(tunnel)
      this.ends.push(end)
    }
    this.onRequest(tunnel)
    if (this.status === 0) return
    if (this.status !== 200) return session.answer(tunnel, this.status)
    if (tunnel.isClosed) return
    const app = this.#dial(appPort)
    if (app === undefined) return session.answer(tunnel, 503)
    tunnel.attach(
      app,
      this.preamble === undefined ? 'connecting' : { state: 'connecting', preamble: this.preamble },
    )
  }

  #dialSession(key: string, nextHop: number, options: OutboundOptions): H2Session | undefined {
    const fd = this.#dial(nextHop)
    if (fd === undefined) return undefined
    this.dials++
    const session: H2Session = new Session(fd, this.#transport(fd, 'client'), 'client', {
      loop: this.loop,
      limits: this.limits,
      buffers: this.buffers,
      checkPeer: (uris) =>
        options.expected === undefined || uris.includes(options.expected)
          ? undefined
          : `peer is ${uris.join()}`,
      onChange: (changed) => this.pool.changed(key, changed),
      onClosed: (closed, end) => {
        this.sessionEnds.push(end)
        this.clients.delete(closed)
      },
    })
    this.clients.add(session)
    return session
  }

  #dial(port: number): number | undefined {
    const fd = tcpSocket()
    setNoDelay(fd)
    if (startConnect(fd, { ip: '127.0.0.1', port }).kind === 'started') return fd
    closeDescriptor(fd)
    return undefined
  }

  #transport(fd: number, role: 'client' | 'server'): Transport {
    return this.#context === undefined ? new PlainTransport(fd) : new TlsTransport(fd, this.#context, role)
  }
}
