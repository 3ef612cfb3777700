import type { EventLoop, Task } from '@ambient/event-loop'
import { sys } from '@ambient/linux'
import type { Transport } from '@ambient/tls'
import { ControlQueue } from './control-queue.ts'
import { putFrameHead } from './frame-head.ts'
import { DEFAULT_WINDOW, FLAG, FRAME, H2_CODE, HEADER_BYTES, MAX_WINDOW } from './h2-constants.ts'
import { H2ConnectionError } from './hbone-error.ts'
import type { HboneLimits } from './limits.ts'
import type { LoopBuffers } from './loop-buffers.ts'
import type { Tunnel } from './tunnel.ts'

export interface SendSchedulerDeps {
  readonly loop: EventLoop
  readonly limits: HboneLimits
  readonly buffers: LoopBuffers
}

export interface SendSchedulerOwner {
  readonly peerMaxFrameBytes: number
  /** DATA went into the transport. */
  onSent(bytes: number): void
  /** Everything that could be written has been. */
  onFlushed(): void
  /** Nothing can be written any more, and waiting will not help. */
  onSendFailed(reason: 'peer-deaf' | 'transport-dead'): void
  onFault(cause: unknown): void
}

/**
 * The only caller of `transport.write`: control frames first, then DATA, straight from the apps' sockets into the frame
 * slots of the staging arena. A tunnel that cannot go on for want of connection window or transport is parked here; first
 * come, first served, and whoever has had a turn goes to the end.
 */
export class SendScheduler implements Task {
  readonly #transport: Transport
  readonly #deps: SendSchedulerDeps
  readonly #owner: SendSchedulerOwner
  readonly #control = new ControlQueue()
  readonly #head = { length: 0, type: FRAME.data, flags: 0, streamId: 0 }
  #state: 'held' | 'open' | 'closed' = 'held'
  #window = DEFAULT_WINDOW
  #parked = new Set<Tunnel>()
  #isDeferred = false

  constructor(transport: Transport, deps: SendSchedulerDeps, owner: SendSchedulerOwner) {
    this.#transport = transport
    this.#deps = deps
    this.#owner = owner
  }

  get isIdle(): boolean {
    return this.#control.isEmpty && !this.#transport.isBlocked
  }

  get parkedCount(): number {
    return this.#parked.size
  }

  /** The handshake is done: what has been queued may go. */
  start(): void {
    if (this.#state === 'held') this.#state = 'open'
    if (this.flush()) this.#wakeParked()
  }

  /** Nothing is written any more, and nothing is kept. */
  stop(): void {
    this.#state = 'closed'
    this.#control.clear()
    this.#parked.clear()
  }

  /** Sends a frame at the end of this turn, with others. */
  queue(frame: Uint8Array): void {
    if (this.#state === 'closed') return
    this.#control.push(frame)
    this.flushLater()
  }

  /** The tunnel is over. */
  forget(tunnel: Tunnel): void {
    this.#parked.delete(tunnel)
  }

  flushLater(): void {
    if (this.#isDeferred || this.#state === 'closed') return
    this.#isDeferred = true
    this.#deps.loop.defer(this)
  }

  /**
   * The peer enlarged the connection window.
   *
   * @throws {H2ConnectionError} when it is larger than the protocol allows.
   */
  grow(increment: number): void {
    this.#window += increment
    if (this.#window > MAX_WINDOW)
      throw new H2ConnectionError(H2_CODE.flowControlError, 'Connection window overflow')
    this.flushLater()
  }

  /** The socket can take more: an OUT edge. */
  resume(): void {
    if (this.#state !== 'open' || !this.#transport.isBlocked) return
    if (this.#transport.flush() && this.flush()) this.#wakeParked()
    this.#owner.onFlushed()
  }

  run(): void {
    this.#isDeferred = false
    if (this.flush()) this.#wakeParked()
    this.#owner.onFlushed()
  }

  onFault(cause: unknown): void {
    this.#owner.onFault(cause)
  }

  /** Sends held bytes, then control frames. True when the transport can take more. */
  flush(): boolean {
    if (this.#state !== 'open') return false
    if (this.#transport.isBlocked) {
      if (this.#control.bytes > this.#deps.limits.controlQueueBytes) this.#failLater('peer-deaf')
      return false
    }
    while (!this.#control.isEmpty) {
      if (!this.#write(this.#control.moveTo(this.#deps.buffers.staging.bytes))) return false
    }
    return true
  }

  /** Moves the app's bytes into DATA frames while there is room everywhere; otherwise leaves the tunnel where it will be found again. */
  produce(tunnel: Tunnel): void {
    for (let fills = this.#deps.limits.fillsPerTurn; tunnel.hasToSend; fills--) {
      if (!this.flush()) return this.#park(tunnel)
      const room = Math.min(tunnel.sendWindow, this.#window)
      if (room <= 0) return this.#produceWithoutWindow(tunnel)
      if (fills === 0) return tunnel.yieldTurn()
      if (!this.#fill(tunnel, room)) return
    }
  }

  #produceWithoutWindow(tunnel: Tunnel): void {
    if (tunnel.hasOnlyEndToSend) this.#sendEnd(tunnel)
    else if (this.#window <= 0) this.#park(tunnel)
    // Else the stream's own WINDOW_UPDATE brings it back.
  }

  /** One read from the app, one write to the transport. False when this tunnel stops for now. */
  #fill(tunnel: Tunnel, room: number): boolean {
    const { staging } = this.#deps.buffers
    const slotBytes = Math.min(this.#owner.peerMaxFrameBytes, staging.bytes.length - HEADER_BYTES)
    const slots = Math.max(1, Math.floor(staging.bytes.length / (slotBytes + HEADER_BYTES)))
    const wanted = Math.min(room, slots * slotBytes)
    const length = this.#readIntoSlots(tunnel.localFd, wanted, slotBytes)
    const outcome = tunnel.noteRead(length)
    if (outcome === 'stopped') return false
    if (outcome === 'end') {
      this.#sendEnd(tunnel)
      return false
    }
    this.#window -= length
    this.#owner.onSent(length)
    this.#writeSlots(tunnel.id, length, slotBytes)
    if (length === wanted || tunnel.sawHangup) return true
    tunnel.waitForEdge()
    return false
  }

  /** Leaves nine bytes before each slot for its frame's header. */
  #readIntoSlots(fd: number, wanted: number, slotBytes: number): number {
    const { staging, vectors } = this.#deps.buffers
    if (wanted <= slotBytes) return sys.read(fd, staging.at(HEADER_BYTES), wanted)
    let count = 0
    for (let left = wanted; left > 0; left -= slotBytes, count++) {
      const at = count * (slotBytes + HEADER_BYTES) + HEADER_BYTES
      vectors.set(count, staging.at(at), Math.min(left, slotBytes))
    }
    return sys.readv(fd, vectors.base, count)
  }

  #writeSlots(streamId: number, length: number, slotBytes: number): void {
    let at = 0
    for (let left = length; left > 0; left -= slotBytes) {
      const size = Math.min(left, slotBytes)
      this.#putHead(at, size, 0, streamId)
      at += HEADER_BYTES + size
    }
    this.#write(at)
  }

  #sendEnd(tunnel: Tunnel): void {
    this.#putHead(0, 0, FLAG.endStream, tunnel.id)
    this.#write(HEADER_BYTES)
    tunnel.endSend()
  }

  #putHead(at: number, length: number, flags: number, streamId: number): void {
    this.#head.length = length
    this.#head.flags = flags
    this.#head.streamId = streamId
    putFrameHead(this.#deps.buffers.staging.bytes, at, this.#head)
  }

  #write(length: number): boolean {
    const { staging } = this.#deps.buffers
    const isTaken = this.#transport.write(staging, length)
    staging.expire(length)
    if (isTaken) return true
    if (!this.#transport.isBlocked) this.#failLater('transport-dead')
    return false
  }

  /** Later, because we may be deep inside a tunnel here. */
  #failLater(reason: 'peer-deaf' | 'transport-dead'): void {
    this.#deps.loop.defer({ run: () => this.#owner.onSendFailed(reason) })
  }

  #park(tunnel: Tunnel): void {
    this.#parked.add(tunnel)
  }

  #wakeParked(): void {
    if (this.#parked.size === 0) return
    const waiting = this.#parked
    this.#parked = new Set()
    for (const tunnel of waiting) {
      if (this.#transport.isBlocked || this.#window <= 0) break
      waiting.delete(tunnel)
      this.produce(tunnel)
    }
    // Those that did not get a turn stay before those that blocked again.
    for (const tunnel of this.#parked) waiting.add(tunnel)
    this.#parked = waiting
  }
}
