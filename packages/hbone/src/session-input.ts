import type { EventLoop } from '@ambient/event-loop'
import {
  parseRequest,
  parseStatus,
  type RequestRefusal,
  TOO_LARGE,
  type TunnelRequest,
} from './connect-message.ts'
import { pingFrame, settingsAckFrame } from './encode-frame.ts'
import { FloodBudget } from './flood-budget.ts'
import { FrameParser, type FrameSink } from './frame-parser.ts'
import { FLAG, H2_CODE } from './h2-constants.ts'
import { H2ConnectionError, HpackError } from './hbone-error.ts'
import type { HeaderField } from './header-field.ts'
import { HpackDecoder, type DecodedHeaders } from './hpack-decoder.ts'
import type { HboneLimits } from './limits.ts'
import type { LoopBuffers } from './loop-buffers.ts'
import type { PeerSettings, SessionRole } from './peer-settings.ts'
import type { ReceiveCredit } from './receive-credit.ts'
import type { SendScheduler } from './send-scheduler.ts'
import type { StreamTable } from './stream-table.ts'
import type { Tunnel } from './tunnel.ts'

/** The parts of a session that its input works on, and what it tells the session itself. */
export interface SessionInputOwner {
  readonly role: SessionRole
  readonly isClosed: boolean
  /** The last GOAWAY has been sent: whoever still opens streams did not see it. */
  readonly refusesStreams: boolean
  readonly loop: EventLoop
  readonly limits: HboneLimits
  readonly buffers: LoopBuffers
  readonly streams: StreamTable
  readonly credit: ReceiveCredit
  readonly output: SendScheduler
  readonly peer: PeerSettings
  acceptTunnel(streamId: number): Tunnel
  refuseRequest(tunnel: Tunnel, refusal: RequestRefusal): void
  resetStream(streamId: number, code: number): void
  requestArrived(tunnel: Tunnel, request: TunnelRequest): void
  settingsChanged(): void
  /** @returns False when nobody had asked. */
  pingAnswered(payload: Uint8Array): boolean
  peerGoesAway(lastStreamId: number, code: number): void
}

/** Frames in, calls on tunnels and session out. Throws only `H2ConnectionError`. */
export class SessionInput implements FrameSink {
  readonly #owner: SessionInputOwner
  readonly #parser: FrameParser
  readonly #hpack: HpackDecoder
  readonly #budget: FloodBudget
  /** Whose segments the loop's buffers hold. */
  #receiver: Tunnel | undefined
  #hasAcknowledged = false

  constructor(owner: SessionInputOwner) {
    this.#owner = owner
    this.#parser = new FrameParser(owner.role, this, owner.limits)
    this.#hpack = new HpackDecoder(owner.limits)
    this.#budget = new FloodBudget(owner.limits, owner.loop.nowMs)
  }

  /**
   * Takes the first `length` bytes of the receive arena.
   *
   * @throws {H2ConnectionError} when the connection has to end.
   */
  feed(length: number): void {
    const { receive, segments } = this.#owner.buffers
    receive.hold()
    try {
      this.#parser.feed(receive.bytes, 0, length)
      this.#deliver()
    } finally {
      this.#receiver = undefined
      segments.clear()
      receive.expire(length)
    }
  }

  /** Our DATA lets the peer send WINDOW_UPDATEs. */
  noteSent(bytes: number): void {
    this.#budget.earnUpdates(bytes)
  }

  // --- FrameSink

  onData(streamId: number, start: number, end: number): void {
    const length = end - start
    this.#takeConnectionCredit(length)
    const tunnel = this.#receivingTunnel(streamId)
    if (tunnel === undefined) return this.#owner.credit.give(length)
    if (!tunnel.takeCredit(length)) {
      this.#owner.credit.give(length)
      return this.#streamError(tunnel, H2_CODE.flowControlError)
    }
    const { segments } = this.#owner.buffers
    if (this.#receiver !== tunnel || segments.isFull) this.#deliver()
    this.#receiver = tunnel
    segments.add(start, length)
  }

  onDataEnd(streamId: number, payloadBytes: number, paddingBytes: number, flags: number): void {
    const endStream = (flags & FLAG.endStream) !== 0
    if (payloadBytes === 0 && !endStream) this.#spend()
    if (paddingBytes === 0 && payloadBytes > 0 && !endStream) return
    const tunnel = payloadBytes === 0 ? this.#receivingTunnel(streamId) : this.#openTunnel(streamId)
    if (paddingBytes > 0) this.#skipPadding(tunnel, paddingBytes)
    if (!endStream || tunnel === undefined) return
    this.#deliver()
    tunnel.endReceive()
  }

  onHeaders(streamId: number, block: Uint8Array<ArrayBuffer>, endStream: boolean): void {
    this.#deliver()
    // Decoded in any case, or the table would be out of step with the peer's.
    const decoded = this.#decode(block)
    if (this.#owner.isClosed) return
    if (this.#owner.role === 'client') this.#onResponse(streamId, decoded.fields, endStream)
    else this.#onRequest(streamId, decoded, endStream)
  }

  onSettings(values: readonly (readonly [id: number, value: number])[]): void {
    this.#spend()
    const { peer, streams, output } = this.#owner
    const change = peer.apply(values)
    for (const tunnel of change === 0 ? [] : streams.open.values()) {
      if (!tunnel.growSendWindow(change))
        throw new H2ConnectionError(H2_CODE.flowControlError, 'Stream window overflow')
      if (change > 0 && tunnel.hasToSend) tunnel.yieldTurn()
    }
    output.queue(settingsAckFrame())
    this.#owner.settingsChanged()
  }

  onSettingsAck(): void {
    if (this.#hasAcknowledged) this.#spend()
    this.#hasAcknowledged = true
  }

  onPing(payload: Uint8Array, isAck: boolean): void {
    if (!isAck) {
      this.#spend()
      return this.#owner.output.queue(pingFrame(payload, FLAG.ack))
    }
    if (!this.#owner.pingAnswered(payload)) this.#spend()
  }

  onRstStream(streamId: number, code: number): void {
    this.#deliver()
    this.#requireUsed(streamId)
    const { streams } = this.#owner
    const tunnel = streams.get(streamId)
    // Opening and cancelling before an answer costs the peer nothing and us a dial: that is what the budget is for.
    const isFree = tunnel === undefined ? streams.takeReset(streamId) : tunnel.sendState !== 'waiting'
    if (!isFree) this.#spend()
    tunnel?.peerReset(code)
  }

  onWindowUpdate(streamId: number, increment: number): void {
    if (!this.#budget.spendUpdate(this.#owner.loop.nowMs)) throw flood()
    if (streamId === 0) {
      if (increment === 0) throw new H2ConnectionError(H2_CODE.protocolError, 'WINDOW_UPDATE of 0')
      return this.#owner.output.grow(increment)
    }
    this.#requireUsed(streamId)
    const tunnel = this.#owner.streams.get(streamId)
    if (tunnel === undefined) return
    if (increment === 0) return this.#streamError(tunnel, H2_CODE.protocolError)
    const hadWindow = tunnel.sendWindow > 0
    if (!tunnel.growSendWindow(increment)) return this.#streamError(tunnel, H2_CODE.flowControlError)
    if (!hadWindow && tunnel.hasToSend) this.#owner.output.produce(tunnel)
  }

  onGoaway(lastStreamId: number, code: number): void {
    this.#deliver()
    this.#spend()
    if (this.#owner.role === 'client') this.#owner.peerGoesAway(lastStreamId, code)
  }

  onIgnored(): void {
    this.#spend()
  }

  // --- DATA

  /** Hands the collected segments to their tunnel, before anything else happens to it. */
  #deliver(): void {
    const tunnel = this.#receiver
    if (tunnel === undefined) return
    this.#receiver = undefined
    tunnel.deliver()
    this.#owner.buffers.segments.clear()
  }

  #takeConnectionCredit(bytes: number): void {
    if (this.#owner.credit.take(bytes)) return
    throw new H2ConnectionError(H2_CODE.flowControlError, 'Connection window exceeded')
  }

  #skipPadding(tunnel: Tunnel | undefined, bytes: number): void {
    this.#takeConnectionCredit(bytes)
    this.#owner.credit.give(bytes)
    if (tunnel === undefined) return
    if (!tunnel.takeCredit(bytes)) return this.#streamError(tunnel, H2_CODE.flowControlError)
    tunnel.skipPadding(bytes)
  }

  /** The tunnel that may get DATA now; answers for the others. */
  #receivingTunnel(streamId: number): Tunnel | undefined {
    this.#requireUsed(streamId)
    const { streams } = this.#owner
    const tunnel = streams.get(streamId)
    // A server that sends before it answers: the app must not see bytes of a tunnel that may yet go elsewhere.
    const isEarly = this.#owner.role === 'client' && tunnel?.sendState === 'waiting'
    if (tunnel !== undefined && isEarly) this.#streamError(tunnel, H2_CODE.protocolError)
    else if (tunnel?.receiveState === 'open') return tunnel
    else if (tunnel !== undefined) this.#streamError(tunnel, H2_CODE.streamClosed)
    else if (!streams.wasReset(streamId)) {
      this.#spend()
      this.#owner.resetStream(streamId, H2_CODE.streamClosed)
    }
    return undefined
  }

  #openTunnel(streamId: number): Tunnel | undefined {
    const tunnel = this.#owner.streams.get(streamId)
    return tunnel?.receiveState === 'open' ? tunnel : undefined
  }

  #requireUsed(streamId: number): void {
    if (!this.#owner.streams.isIdle(streamId)) return
    throw new H2ConnectionError(H2_CODE.protocolError, `Stream ${streamId} is idle`)
  }

  // --- HEADERS

  #decode(block: Uint8Array<ArrayBuffer>): DecodedHeaders {
    try {
      return this.#hpack.decode(block)
    } catch (cause) {
      if (cause instanceof HpackError) throw new H2ConnectionError(H2_CODE.compressionError, cause.message)
      throw cause
    }
  }

  #onRequest(streamId: number, decoded: DecodedHeaders, endStream: boolean): void {
    const { streams } = this.#owner
    if (streamId % 2 === 0)
      throw new H2ConnectionError(H2_CODE.protocolError, `A client opened stream ${streamId}`)
    const existing = streams.get(streamId)
    if (existing !== undefined) return this.#onTrailers(existing, decoded.fields, endStream)
    if (!streams.isIdle(streamId)) {
      if (streams.wasReset(streamId)) return
      throw new H2ConnectionError(H2_CODE.streamClosed, `HEADERS on closed stream ${streamId}`)
    }
    streams.acceptId(streamId)
    if (this.#owner.refusesStreams || streams.open.size >= this.#owner.limits.maxStreams) {
      this.#spend()
      return this.#owner.resetStream(streamId, H2_CODE.refusedStream)
    }
    const tunnel = this.#owner.acceptTunnel(streamId)
    // Some peers open every stream with a WINDOW_UPDATE of its own.
    this.#budget.earnUpdates(0)
    if (endStream) tunnel.endReceive()
    const parsed = parseRequest(decoded.fields)
    if (parsed.kind === 'malformed') this.#streamError(tunnel, H2_CODE.protocolError)
    else if (decoded.isTooLarge) this.#owner.refuseRequest(tunnel, TOO_LARGE)
    else if (parsed.kind === 'refused') this.#owner.refuseRequest(tunnel, parsed)
    else this.#owner.requestArrived(tunnel, parsed.request)
  }

  #onResponse(streamId: number, fields: readonly HeaderField[], endStream: boolean): void {
    this.#requireUsed(streamId)
    const tunnel = this.#owner.streams.get(streamId)
    if (tunnel === undefined) return
    if (tunnel.sendState !== 'waiting') return this.#onTrailers(tunnel, fields, endStream)
    const status = parseStatus(fields)
    if (status === undefined || (status < 200 && endStream))
      return this.#streamError(tunnel, H2_CODE.protocolError)
    if (status < 200) return this.#spend()
    if (status !== 200) {
      // A server may ask us to stop sending on a stream it has answered in full: that RST_STREAM is expected.
      if (endStream) this.#owner.streams.noteReset(streamId)
      else this.#owner.resetStream(streamId, H2_CODE.cancel)
      return tunnel.refused(status)
    }
    this.#budget.earnUpdates(0)
    tunnel.answered(fields)
    if (endStream) tunnel.endReceive()
  }

  #onTrailers(tunnel: Tunnel, fields: readonly HeaderField[], endStream: boolean): void {
    if (tunnel.receiveState !== 'open')
      throw new H2ConnectionError(H2_CODE.streamClosed, 'HEADERS after END_STREAM')
    if (!endStream || fields.some((field) => field.name.startsWith(':'))) {
      return this.#streamError(tunnel, H2_CODE.protocolError)
    }
    tunnel.endReceive()
  }

  // --- faults of the peer

  #streamError(tunnel: Tunnel, code: number): void {
    this.#deliver()
    this.#spend()
    this.#owner.resetStream(tunnel.id, code)
    tunnel.peerErred(code)
  }

  #spend(): void {
    if (!this.#budget.spend(this.#owner.loop.nowMs)) throw flood()
  }
}

function flood(): H2ConnectionError {
  return new H2ConnectionError(H2_CODE.enhanceYourCalm, 'Too many frames that carry nothing')
}
