import type { EventLoop, Task, Timer } from '@ambient/event-loop'
import { Errno, errno, resetSocket, sys } from '@ambient/linux'
import { H2_CODE } from './h2-constants.ts'
import type { HeaderField } from './header-field.ts'
import type { HboneLimits } from './limits.ts'
import { LocalSocket, type LocalSocketOwner } from './local-socket.ts'
import type { SessionRole } from './peer-settings.ts'
import { ReceiveHalf, type ReceiveHalfDeps, type ReceiveState } from './receive-half.ts'
import { SendHalf } from './send-half.ts'
import type { SessionEnd } from './session-end.ts'
import type { PeerEnd, TunnelEnd, UntouchedCause } from './tunnel-end.ts'

/** What a tunnel asks of the session that carries it. */
export interface TunnelCarrier extends ReceiveHalfDeps {
  readonly role: SessionRole
  readonly loop: EventLoop
  readonly limits: HboneLimits
  /** Moves bytes of the app into DATA frames, now or as soon as there is room. */
  produce(tunnel: Tunnel): void
  resetStream(streamId: number, code: number): void
  /** The stream is over. */
  forget(tunnel: Tunnel): void
  /** The app could not be dialled: the peer has to be told. */
  refuseUndialled(tunnel: Tunnel): void
}

export interface TunnelOptions {
  readonly sendWindow: number
  /** The peer is a waypoint: it ends streams with RST_STREAM CONNECT_ERROR, and that is no failure. */
  readonly isWaypoint: boolean
}

export interface AttachOptions {
  readonly state: 'connecting' | 'connected'
  /** Written to the app before anything of the peer: a PROXY header. */
  readonly preamble?: Uint8Array
}

const nothing = (): void => {}

/**
 * One CONNECT stream joined to one local TCP socket: app → peer is its `SendHalf`, peer → app its `ReceiveHalf`, and the
 * two are independent. It ends by itself when both have ended, is cut by either side at any time, and tells its owner
 * once, by `onEnd`.
 */
export class Tunnel implements LocalSocketOwner, Task {
  readonly id: number
  readonly isWaypoint: boolean
  /** The owner's: how it ended. Called once; not for a request that its owner never saw. */
  onEnd: (end: TunnelEnd) => void = nothing
  /** The owner's: a socket attached as `connecting` is connected. */
  onConnected: () => void = nothing
  /** The owner's, of a client: the peer has answered 200 with these fields. Nothing has been delivered to the app yet. */
  onOpen: (fields: readonly HeaderField[]) => void = nothing
  readonly #carrier: TunnelCarrier
  readonly #socket: LocalSocket
  readonly #send: SendHalf
  readonly #receive: ReceiveHalf
  readonly #openedAtMs: number
  #state: 'carried' | 'detached' | 'closed' = 'carried'
  #isQueued = false
  #discardTimer: Timer | undefined

  constructor(id: number, carrier: TunnelCarrier, options: TunnelOptions) {
    this.id = id
    this.isWaypoint = options.isWaypoint
    this.#carrier = carrier
    this.#openedAtMs = carrier.loop.nowMs
    this.#socket = new LocalSocket(this, carrier.loop)
    this.#send = new SendHalf(options.sendWindow)
    this.#receive = new ReceiveHalf(id, this.#socket, carrier)
  }

  // --- for the owner

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** Bytes read from the local socket and sent to the peer, so far. */
  get bytesUp(): number {
    return this.#send.sentBytes
  }

  /** Bytes of the peer that the local socket took, so far. */
  get bytesDown(): number {
    return this.#receive.deliveredBytes
  }

  /** Bytes of the peer that the local socket has not taken yet. */
  get owedBytes(): number {
    return this.#receive.owedBytes
  }

  /** Takes ownership of `fd`, also when the tunnel is closed already. */
  attach(fd: number, local: AttachOptions['state'] | AttachOptions): void {
    if (this.isClosed) return resetSocket(fd)
    const options: AttachOptions = typeof local === 'string' ? { state: local } : local
    if (options.preamble !== undefined) this.#receive.begin(options.preamble)
    if (options.state === 'connecting')
      return this.#socket.attachConnecting(fd, this.#carrier.limits.connectMs)
    this.#socket.attachConnected(fd)
    this.#flush()
  }

  /** Cuts both halves, RST to either side: a policy changed, the workload is gone. */
  abort(reason: string): void {
    this.#cut({ kind: 'aborted', reason }, H2_CODE.connectError)
  }

  // --- for the session

  get sendState(): SendHalf['state'] {
    return this.#send.state
  }

  get receiveState(): ReceiveState {
    return this.#receive.state
  }

  get sendWindow(): number {
    return this.#send.window
  }

  get localFd(): number {
    return this.#socket.fd
  }

  /** The app has something to say, and the peer wants to hear it. */
  get hasToSend(): boolean {
    return this.#send.state === 'open' && this.#socket.isReadable
  }

  /** After a hang-up a short read proves nothing: go on until EOF or EAGAIN. */
  get sawHangup(): boolean {
    return this.#socket.sawHangup
  }

  /** Whether nothing but END_STREAM is left to be sent: it needs no window. */
  get hasOnlyEndToSend(): boolean {
    return this.#socket.isAtEnd(this.#carrier.buffers)
  }

  /** The peer may now be sent the app's bytes. */
  openSend(): void {
    this.#send.open()
    this.#carrier.produce(this)
  }

  /** The 200 has come. */
  answered(fields: readonly HeaderField[]): void {
    // An exception of one owner must not end the session of the others.
    this.#carrier.loop.contain(this, () => this.onOpen(fields))
    if (!this.isClosed) this.openSend()
  }

  /** @returns False when the window is larger than the protocol allows. */
  growSendWindow(increment: number): boolean {
    return this.#send.grow(increment)
  }

  /** What became of a read from the local socket; its bytes are counted against the window. */
  noteRead(result: number): 'bytes' | 'end' | 'stopped' {
    if (result > 0) {
      this.#send.spend(result)
      return 'bytes'
    }
    if (result === 0) return 'end'
    const code = errno()
    if (code === Errno.EAGAIN) this.#socket.waitForEdge()
    else this.socketBroken(code)
    return 'stopped'
  }

  waitForEdge(): void {
    this.#socket.waitForEdge()
  }

  /** There is more to send, but others come first. */
  yieldTurn(): void {
    if (this.#isQueued) return
    this.#isQueued = true
    this.#carrier.loop.again(this)
  }

  /** END_STREAM is in the transport. */
  endSend(): void {
    this.#send.end()
    this.#socket.waitForEdge()
    this.#closeIfDone()
  }

  /** @returns False when the peer sent more than this stream was allowed. */
  takeCredit(bytes: number): boolean {
    return this.#receive.take(bytes)
  }

  skipPadding(bytes: number): void {
    this.#receive.skip(bytes)
  }

  /** Delivers the segments that the loop's buffers hold; what the socket does not take is copied and owed. */
  deliver(): void {
    if (this.#state === 'carried') return this.#check(this.#receive.deliver())
    this.#carrier.credit.give(this.#carrier.buffers.segments.totalBytes)
  }

  /** END_STREAM has come. */
  endReceive(): void {
    this.#receive.end()
    this.#flush()
  }

  /** RST_STREAM has come. */
  peerReset(code: number): void {
    if (this.#isNormalEnd(code)) return this.#detach()
    if (code === H2_CODE.refusedStream) return this.notTaken('peer refused the stream')
    this.#endByPeer({ kind: 'peer-reset', code })
  }

  /** The peer broke the rules of this stream, which has been reset. */
  peerErred(code: number): void {
    this.#endByPeer({ kind: 'stream-error', code })
  }

  /** The stream has been answered with something other than 200. */
  refused(status: number): void {
    this.#endByPeer({ kind: 'refused', status })
  }

  sessionLost(session: SessionEnd): void {
    this.#endByPeer({ kind: 'session-lost', session })
  }

  /** The peer never looked at the stream. */
  notTaken(reason: string): void {
    if (this.#isUntouched) this.#giveBack({ kind: 'not-taken', reason })
    else this.#endByPeer({ kind: 'peer-reset', code: H2_CODE.refusedStream })
  }

  /** To be called from time to time: a request that is older than it may be ends here. */
  expire(nowMs: number): void {
    if (!this.#isUntouched || nowMs - this.#openedAtMs < this.#carrier.limits.answerMs) return
    this.#carrier.resetStream(this.id, H2_CODE.cancel)
    this.#giveBack({ kind: 'unanswered' })
  }

  // --- Task, LocalSocketOwner

  run(): void {
    this.#isQueued = false
    if (this.isClosed) return
    if (this.#send.state === 'discarding') this.#discard()
    else this.#carrier.produce(this)
  }

  onFault(cause: unknown): void {
    this.abort(`internal fault: ${String(cause)}`)
  }

  socketConnected(): void {
    this.onConnected()
  }

  socketUnreachable(code: number): void {
    if (this.isClosed) return
    this.#socket.close()
    this.#carrier.refuseUndialled(this)
    this.#finish({ kind: 'connect-failed', errno: code })
  }

  socketBroken(code: number): void {
    this.#cut({ kind: 'local-reset', errno: code }, H2_CODE.connectError)
  }

  socketReadable(): void {
    if (this.#send.state === 'discarding') this.#discard()
    else this.#carrier.produce(this)
  }

  socketWritable(): void {
    this.#flush()
  }

  // --- its own

  /** A client that has not seen the 200 has read nothing from its app. */
  get #isUntouched(): boolean {
    return this.#carrier.role === 'client' && this.#send.state === 'waiting'
  }

  #endByPeer(end: PeerEnd): void {
    if (this.#isUntouched) this.#giveBack(end)
    else this.#cut(end)
  }

  #giveBack(cause: UntouchedCause): void {
    if (this.isClosed) return
    this.#finish({ kind: 'untouched', fd: this.#socket.release(), cause })
  }

  /** Envoy ends every tunnel so when the inner connection is closed; and RFC 9113, 8.1 lets a server that has answered in full. */
  #isNormalEnd(code: number): boolean {
    if (this.#send.state === 'waiting') return false
    if (code === H2_CODE.connectError) return this.isWaypoint
    return code === H2_CODE.noError && this.#receive.state !== 'open'
  }

  /** The stream is over, the app is not: it gets every owed byte, a FIN, and time to hang up itself. */
  #detach(): void {
    if (this.#state !== 'carried') return
    this.#state = 'detached'
    this.#carrier.forget(this)
    this.#receive.end()
    this.#send.discard()
    this.#flush()
    if (this.#socket.isReadable) this.#discard()
  }

  #discard(): void {
    const { staging } = this.#carrier.buffers
    for (let reads = this.#carrier.limits.fillsPerTurn; reads > 0; reads--) {
      const got = sys.read(this.#socket.fd, staging.base, staging.bytes.length)
      if (got === 0) return this.endSend()
      if (got > 0) continue
      const code = errno()
      return code === Errno.EAGAIN ? this.#socket.waitForEdge() : this.socketBroken(code)
    }
    this.yieldTurn()
  }

  #flush(): void {
    if (this.isClosed) return
    this.#check(this.#receive.flush())
    this.#closeIfDone()
  }

  #check(failure: number): void {
    if (failure !== 0) this.socketBroken(failure)
  }

  #closeIfDone(): void {
    if (this.isClosed || this.#receive.state !== 'ended') return
    if (this.#send.state === 'discarding') this.#closeLater()
    if (this.#send.state !== 'ended') return
    this.#socket.close()
    this.#finish({ kind: 'completed' })
  }

  #closeLater(): void {
    this.#discardTimer ??= this.#carrier.loop.after(
      this.#carrier.limits.discardMs,
      () => this.endSend(),
      this,
    )
  }

  /** RST to the app; RST_STREAM with `code` to the peer if it does not know yet. */
  #cut(end: TunnelEnd, code?: number): void {
    if (this.isClosed) return
    this.#socket.reset()
    if (code !== undefined && this.#state === 'carried') this.#carrier.resetStream(this.id, code)
    this.#finish(end)
  }

  #finish(end: TunnelEnd): void {
    const wasCarried = this.#state === 'carried'
    this.#state = 'closed'
    this.#receive.drop()
    this.#discardTimer?.cancel()
    if (wasCarried) this.#carrier.forget(this)
    // An exception of one owner must not end the session of the others.
    this.#carrier.loop.contain(undefined, () => this.onEnd(end))
  }
}
