import { DATA_EVENTS, EPOLLOUT, type EventLoop, type Source } from '@ambient/event-loop'
import { closeDescriptor, Errno } from '@ambient/linux'
import type { Transport } from '@ambient/tls'
import type { RequestRefusal, TunnelRequest } from './connect-message.ts'
import { ConnectionReader, type ConnectionReaderOwner } from './connection-reader.ts'
import { goawayFrame, pingFrame, rstStreamFrame, windowUpdateFrame } from './encode-frame.ts'
import { headersFrames } from './encode-headers.ts'
import { FLAG, H2_CODE, MAX_WINDOW, PREFACE } from './h2-constants.ts'
import { H2ConnectionError } from './hbone-error.ts'
import type { HeaderField } from './header-field.ts'
import type { HboneLimits } from './limits.ts'
import { Linger } from './linger.ts'
import type { LoopBuffers } from './loop-buffers.ts'
import { ownSettings, PeerSettings, type SessionRole } from './peer-settings.ts'
import { ReceiveCredit } from './receive-credit.ts'
import { SendScheduler, type SendSchedulerOwner } from './send-scheduler.ts'
import type { OpenOptions, SessionDepsOf } from './session-deps.ts'
import type { SessionEnd } from './session-end.ts'
import { SessionInput, type SessionInputOwner } from './session-input.ts'
import { SessionOpening } from './session-opening.ts'
import type { SessionState } from './session-state.ts'
import { SessionTimers, type SessionTimersOwner } from './session-timers.ts'
import { StreamTable } from './stream-table.ts'
import { Tunnel, type TunnelCarrier } from './tunnel.ts'

export type SessionDeps = SessionDepsOf<H2Session>

type Owner = Source &
  TunnelCarrier &
  SendSchedulerOwner &
  ConnectionReaderOwner &
  SessionInputOwner &
  SessionTimersOwner

const LIVENESS_PING = new Uint8Array(8)
const DRAIN_PING = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1)

/**
 * One HTTP/2 connection between proxies. It owns the state; `SessionInput` deals with what arrives, `SendScheduler` with
 * all that leaves. A client may open tunnels from the start: they wait for the handshake and share its failure.
 */
export class H2Session implements Owner {
  readonly role: SessionRole
  readonly peer: PeerSettings
  readonly streams: StreamTable
  readonly credit: ReceiveCredit
  readonly output: SendScheduler
  readonly #deps: SessionDeps
  readonly #fd: number
  readonly #transport: Transport
  readonly #opening: SessionOpening
  readonly #input: SessionInput
  readonly #reader: ConnectionReader
  readonly #timers: SessionTimers
  #state: SessionState
  #isDrainWanted = false

  /** Takes ownership of `fd` and `transport`; a client's `fd` may still be connecting. */
  constructor(fd: number, transport: Transport, role: SessionRole, deps: SessionDeps) {
    this.role = role
    this.#deps = deps
    this.#fd = fd
    this.#transport = transport
    this.#state = { kind: role === 'client' ? 'connecting' : 'handshaking' }
    this.peer = new PeerSettings(role)
    this.streams = new StreamTable(role)
    this.output = new SendScheduler(transport, deps, this)
    this.credit = new ReceiveCredit(deps.limits, (increment) =>
      this.output.queue(windowUpdateFrame(0, increment)),
    )
    this.#opening = new SessionOpening(fd, transport, role, deps)
    this.#input = new SessionInput(this)
    this.#reader = new ConnectionReader(transport, deps, this)
    this.#timers = new SessionTimers(this)
    if (role === 'client') this.output.queue(PREFACE)
    this.output.queue(ownSettings(role, deps.limits))
    this.output.queue(windowUpdateFrame(0, this.credit.firstIncrement))
    this.#timers.expectWithin(role === 'client' ? deps.limits.connectMs : deps.limits.handshakeMs)
    deps.loop.add(fd, DATA_EVENTS, this)
  }

  // --- for the owner

  get state(): SessionState {
    return this.#state
  }

  get isClosed(): boolean {
    return this.#state.kind === 'closed'
  }

  /** Open tunnels by stream number. */
  get tunnels(): ReadonlyMap<number, Tunnel> {
    return this.streams.open
  }

  /** URI SANs of the peer's certificate; empty before the handshake is done. */
  get peerUris(): readonly string[] {
    return this.#opening.peerUris
  }

  /** Client: whether one more tunnel may be opened. */
  get hasRoom(): boolean {
    const { kind } = this.#state
    if (kind === 'draining' || kind === 'closed' || this.#isDrainWanted) return false
    const { poolStreams } = this.limits
    return (
      this.streams.open.size < Math.min(this.peer.maxStreams ?? poolStreams, poolStreams) &&
      this.streams.hasIdsLeft
    )
  }

  /**
   * Client: opens a tunnel for an accepted socket, which it owns from here on. Nothing is read from the app before the
   * peer's 200, yet its reset is noticed.
   */
  open(fd: number, fields: readonly HeaderField[], options: OpenOptions = {}): Tunnel {
    const tunnel = this.#addTunnel(this.streams.allocateId(), options.isWaypoint ?? false)
    tunnel.attach(fd, 'connected')
    const { kind } = this.#state
    if (kind === 'closed' || kind === 'draining') {
      // Later, when the caller listens.
      this.loop.defer({ run: () => tunnel.notTaken('session takes no more tunnels') })
      return tunnel
    }
    this.output.queue(headersFrames(tunnel.id, 0, fields))
    return tunnel
  }

  /** Server: answers a request. Anything but 200 ends the stream. Nothing happens when the tunnel is over or answered. */
  answer(tunnel: Tunnel, status: number, fields: readonly HeaderField[] = []): void {
    if (this.role === 'client' || this.streams.get(tunnel.id) !== tunnel || tunnel.sendState !== 'waiting')
      return
    if (status !== 200) {
      this.#refuse(tunnel, status, fields)
      return tunnel.refused(status)
    }
    this.output.queue(headersFrames(tunnel.id, 0, [{ name: ':status', value: '200' }, ...fields]))
    tunnel.openSend()
  }

  /**
   * Takes no new streams, finishes those there are, then closes. Streams that race the first GOAWAY are still served;
   * the peer learns the last stream's number after one round trip.
   */
  drain(): void {
    switch (this.#state.kind) {
      case 'connecting':
      case 'handshaking':
        // A client without a tunnel has nothing to lose; whoever dials us may have, and we cannot know it yet.
        if (this.role === 'client' && this.streams.open.size === 0)
          return this.close('drained before the handshake')
        this.#isDrainWanted = true
        return this.#deps.onChange?.(this)
      case 'open':
        this.#setState({ kind: 'draining', lastStreamId: undefined })
        this.output.queue(goawayFrame(this.role === 'server' ? MAX_WINDOW : 0, H2_CODE.noError))
        this.output.queue(pingFrame(DRAIN_PING))
        return
      case 'draining':
      case 'closed':
    }
  }

  /** Closes at once; open tunnels are reset. */
  close(reason: string): void {
    this.#end({ kind: 'closed', reason })
  }

  // --- Source

  onEvents(events: number): void {
    this.#reader.noteEvents(events)
    const { kind } = this.#state
    if ((kind === 'connecting' || kind === 'handshaking') && !this.#proceed(events)) return
    if (events & EPOLLOUT) this.output.resume()
    this.#reader.read()
  }

  onFault(cause: unknown): void {
    this.#end({ kind: 'fault', reason: String(cause) })
  }

  // --- for its tunnels

  get loop(): EventLoop {
    return this.#deps.loop
  }

  get limits(): HboneLimits {
    return this.#deps.limits
  }

  get buffers(): LoopBuffers {
    return this.#deps.buffers
  }

  produce(tunnel: Tunnel): void {
    this.output.produce(tunnel)
  }

  resetStream(streamId: number, code: number): void {
    this.streams.noteReset(streamId)
    this.output.queue(rstStreamFrame(streamId, code))
  }

  sendWindowUpdate(streamId: number, increment: number): void {
    this.output.queue(windowUpdateFrame(streamId, increment))
  }

  forget(tunnel: Tunnel): void {
    if (!this.streams.delete(tunnel)) return
    this.output.forget(tunnel)
    if (this.#state.kind === 'draining' && this.streams.open.size === 0) this.output.flushLater()
    this.#deps.onChange?.(this)
  }

  refuseUndialled(tunnel: Tunnel): void {
    if (tunnel.sendState === 'waiting') this.#refuse(tunnel, 503, [])
    else this.resetStream(tunnel.id, H2_CODE.connectError)
  }

  // --- for its output, reader and timers

  get peerMaxFrameBytes(): number {
    return this.peer.maxFrameBytes
  }

  onSent(bytes: number): void {
    this.#input.noteSent(bytes)
  }

  onFlushed(): void {
    const state = this.#state
    if (state.kind !== 'draining' || this.streams.open.size > 0 || !this.output.isIdle) return
    // A server waits for the answer to its PING: until then streams may be under way.
    if (this.role === 'server' && state.lastStreamId === undefined) return
    this.#endWithGoodbye({ kind: 'drained' })
  }

  onSendFailed(reason: 'peer-deaf' | 'transport-dead'): void {
    this.#end(
      reason === 'peer-deaf' ? { kind: 'peer-deaf' } : { kind: 'connection-lost', reason: 'cannot write' },
    )
  }

  onBytes(length: number): void {
    try {
      this.#input.feed(length)
    } catch (cause) {
      if (!(cause instanceof H2ConnectionError)) throw cause
      this.#fail(cause)
    }
  }

  onReadEnd(failure: string | undefined): void {
    if (!this.peer.wereSeen) {
      // In TLS 1.3 a client is done before the server has judged its certificate: the refusal arrives here.
      const stage = failure === undefined ? 'h2' : 'tls'
      const reason = failure ?? 'peer hung up'
      return this.#end({ kind: 'handshake-failed', stage, because: 'other', reason })
    }
    this.#end(failure === undefined ? { kind: 'peer-closed' } : { kind: 'connection-lost', reason: failure })
  }

  onLate(): void {
    const { kind } = this.#state
    if (kind === 'connecting') return this.#end({ kind: 'connect-failed', errno: Errno.ETIMEDOUT })
    const stage = kind === 'handshaking' ? 'tls' : 'h2'
    this.#end({ kind: 'handshake-failed', stage, because: 'timed-out', reason: 'timed out' })
  }

  sendPing(): void {
    this.output.queue(pingFrame(LIVENESS_PING))
  }

  onTick(): void {
    for (const tunnel of Array.from(this.streams.open.values())) tunnel.expire(this.loop.nowMs)
  }

  onSilence(): void {
    this.#end({ kind: 'peer-silent' })
  }

  // --- for its input

  get refusesStreams(): boolean {
    return this.#state.kind === 'draining' && this.#state.lastStreamId !== undefined
  }

  acceptTunnel(streamId: number): Tunnel {
    return this.#addTunnel(streamId, false)
  }

  requestArrived(tunnel: Tunnel, request: TunnelRequest): void {
    // An exception of the owner ends this tunnel, not the session.
    this.loop.contain(tunnel, () => this.#deps.onRequest?.(tunnel, request))
  }

  refuseRequest(tunnel: Tunnel, refusal: RequestRefusal): void {
    this.answer(tunnel, refusal.status)
    this.loop.contain(undefined, () => this.#deps.onRefused?.(refusal))
  }

  settingsChanged(): void {
    this.#timers.arrived()
    this.#deps.onChange?.(this)
  }

  pingAnswered(payload: Uint8Array): boolean {
    const state = this.#state
    if (payload[7] !== DRAIN_PING[7]) return this.#timers.pingAnswered()
    if (state.kind !== 'draining' || state.lastStreamId !== undefined) return false
    const lastStreamId = this.streams.highestPeerId
    this.#setState({ kind: 'draining', lastStreamId })
    this.output.queue(goawayFrame(lastStreamId, H2_CODE.noError))
    return true
  }

  peerGoesAway(lastStreamId: number, code: number): void {
    const refused = [...this.streams.open.values()].filter((tunnel) => tunnel.id > lastStreamId)
    // First leave the pool, then hand the sockets back: a retry must not land here again.
    if (this.#state.kind === 'open') this.#setState({ kind: 'draining', lastStreamId })
    for (const tunnel of refused) tunnel.notTaken(`peer sent GOAWAY ${code}`)
    this.output.flushLater()
  }

  // --- its own

  /** @returns Whether the session is open now. */
  #proceed(events: number): boolean {
    const step = this.#opening.proceed(events)
    if (step.kind === 'failed') this.#end(step.end)
    if (step.kind === 'wait' && step.stage !== this.#state.kind) {
      this.#setState({ kind: step.stage })
      this.#timers.expectWithin(this.limits.handshakeMs)
    }
    if (step.kind !== 'done') return false
    this.#setState({ kind: 'open' })
    this.#timers.keepPinging()
    if (this.#isDrainWanted) this.drain()
    this.output.start()
    this.#reader.readAfterHandshake()
    return true
  }

  #addTunnel(streamId: number, isWaypoint: boolean): Tunnel {
    const tunnel = new Tunnel(streamId, this, { sendWindow: this.peer.initialWindow, isWaypoint })
    this.streams.add(tunnel)
    return tunnel
  }

  #refuse(tunnel: Tunnel, status: number, fields: readonly HeaderField[]): void {
    const all = [{ name: ':status', value: String(status) }, ...fields]
    this.output.queue(headersFrames(tunnel.id, FLAG.endStream, all))
    if (tunnel.receiveState === 'open') this.resetStream(tunnel.id, H2_CODE.noError)
  }

  #fail(error: H2ConnectionError): void {
    if (this.isClosed) return
    this.output.queue(goawayFrame(this.streams.highestPeerId, error.h2Code))
    this.output.flush()
    this.#endWithGoodbye({ kind: 'protocol-error', code: error.h2Code, reason: error.message })
  }

  #end(end: SessionEnd): void {
    if (this.#letGo(end)) {
      closeDescriptor(this.#fd)
      this.#deps.onClosed?.(this, end)
    }
  }

  /** As `#end`, but the peer gets to hear what was written last. */
  #endWithGoodbye(end: SessionEnd): void {
    if (this.#letGo(end)) {
      new Linger(this.#fd, this.#deps).start()
      this.#deps.onClosed?.(this, end)
    }
  }

  /** Everything but the descriptor. False when that was done before. */
  #letGo(end: SessionEnd): boolean {
    if (this.isClosed) return false
    // Out of the pool first, then the tunnels: whoever tries again must not land here.
    this.#setState({ kind: 'closed', end })
    this.#timers.cancel()
    this.output.stop()
    for (const tunnel of Array.from(this.streams.open.values())) tunnel.sessionLost(end)
    this.loop.remove(this.#fd)
    this.#transport.close()
    return true
  }

  #setState(next: SessionState): void {
    this.#state = next
    this.#deps.onChange?.(this)
  }
}
