import { DATA_EVENTS, type EventLoop, type Task, type Timer } from '@ambient/event-loop'
import { closeDescriptor, Errno, errnoName, resetSocket } from '@ambient/linux'
import type { HboneLimits } from './limits.ts'
import type { LoopBuffers } from './loop-buffers.ts'
import type { PipeCache } from './pipe-cache.ts'
import { RelayDirection } from './relay-direction.ts'
import { RelaySide, type RelaySideOwner } from './relay-side.ts'

export interface RelayDeps {
  readonly loop: EventLoop
  readonly limits: HboneLimits
  readonly buffers: LoopBuffers
  readonly pipes: PipeCache
}

/** How a relay ended; told exactly once. */
export type RelayEnd =
  | { readonly kind: 'completed' }
  /** No byte was read from downstream: `fd` is the caller's again. */
  | { readonly kind: 'connect-failed'; readonly errno: number; readonly fd: number }
  | { readonly kind: 'reset'; readonly by: 'downstream' | 'upstream'; readonly errno: number }
  /** Cut by its owner, for this reason. */
  | { readonly kind: 'aborted'; readonly reason: string }

/** One line for the log. */
export function describeRelayEnd(end: RelayEnd): string {
  switch (end.kind) {
    case 'completed':
      return 'completed'
    case 'connect-failed':
      return `connect failed: ${errnoName(end.errno)}`
    case 'reset':
      return `${end.by}: ${errnoName(end.errno)}`
    case 'aborted':
      return end.reason
  }
}

/**
 * Two TCP sockets joined without HBONE. Aware of half-close; a reset of one side resets the other. It tells its owner
 * once, by `onEnd`.
 */
export class Relay implements RelaySideOwner, Task {
  /** The owner's. */
  onEnd: (end: RelayEnd) => void = (): void => {}
  /** The owner's: the upstream dial came through. */
  onConnected: () => void = (): void => {}
  readonly #deps: RelayDeps
  readonly #downstream: RelaySide
  readonly #upstream: RelaySide
  readonly #up: RelayDirection
  readonly #down: RelayDirection
  readonly #connectTimer: Timer
  #isQueued = false
  #isClosed = false

  /** Takes ownership of both; `upstream` may still be connecting. */
  constructor(downstream: number, upstream: number, deps: RelayDeps) {
    this.#deps = deps
    this.#downstream = new RelaySide(downstream, this, 'connected')
    this.#upstream = new RelaySide(upstream, this, 'connecting')
    const shared = { limits: deps.limits, buffer: deps.buffers.staging, pipes: deps.pipes }
    this.#up = new RelayDirection(this.#downstream, this.#upstream, shared)
    this.#down = new RelayDirection(this.#upstream, this.#downstream, shared)
    this.#connectTimer = deps.loop.after(
      deps.limits.connectMs,
      () => this.sideUnreachable(Errno.ETIMEDOUT),
      this,
    )
    deps.loop.add(downstream, DATA_EVENTS, this.#downstream)
    deps.loop.add(upstream, DATA_EVENTS, this.#upstream)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Bytes read from downstream, so far. */
  get bytesUp(): number {
    return this.#up.bytes
  }

  /** Bytes read from upstream, so far. */
  get bytesDown(): number {
    return this.#down.bytes
  }

  /** Directions that have moved to splice(2). */
  get splicedDirections(): number {
    return Number(this.#up.isSpliced) + Number(this.#down.isSpliced)
  }

  /** Cuts both sides, RST to either: a policy changed, the workload is gone. */
  abort(reason: string): void {
    this.#finish({ kind: 'aborted', reason })
  }

  run(): void {
    this.#isQueued = false
    this.sideMoved()
  }

  onFault(cause: unknown): void {
    this.abort(`internal fault: ${String(cause)}`)
  }

  sideConnected(): void {
    this.#connectTimer.cancel()
    this.onConnected()
  }

  sideUnreachable(code: number): void {
    this.#finish({ kind: 'connect-failed', errno: code, fd: this.#downstream.fd })
  }

  sideBroken(side: RelaySide, code: number): void {
    this.#finish({ kind: 'reset', by: side === this.#upstream ? 'upstream' : 'downstream', errno: code })
  }

  sideMoved(): void {
    this.#move(this.#up)
    this.#move(this.#down)
    if (this.#up.hasEnded && this.#down.hasEnded) this.#finish({ kind: 'completed' })
  }

  #move(direction: RelayDirection): void {
    if (this.#isClosed) return
    const result = direction.move()
    if (result.kind === 'failed') this.sideBroken(result.side, result.errno)
    else if (result.kind === 'yield') this.#yieldTurn()
  }

  #yieldTurn(): void {
    if (this.#isQueued) return
    this.#isQueued = true
    this.#deps.loop.again(this)
  }

  #finish(end: RelayEnd): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#connectTimer.cancel()
    const close = end.kind === 'completed' ? closeDescriptor : resetSocket
    for (const side of [this.#downstream, this.#upstream]) {
      this.#deps.loop.remove(side.fd)
      if (side === this.#upstream || end.kind !== 'connect-failed') close(side.fd)
    }
    this.#up.release()
    this.#down.release()
    this.#deps.loop.contain(undefined, () => this.onEnd(end))
  }
}
