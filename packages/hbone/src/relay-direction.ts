import { Errno, errno, NULL, SHUT_WR, SPLICE_NONBLOCK, sys, type Arena, type Pipe } from '@ambient/linux'
import type { HboneLimits } from './limits.ts'
import { OwedBytes } from './owed-bytes.ts'
import type { PipeCache } from './pipe-cache.ts'
import type { RelaySide } from './relay-side.ts'

export interface RelayDirectionDeps {
  readonly limits: HboneLimits
  /** Shared with others; valid during one call. */
  readonly buffer: Arena
  readonly pipes: PipeCache
}

export type MoveResult =
  /** Waits for an edge, or has ended. */
  | { readonly kind: 'waiting' }
  /** There is more, but others come first. */
  | { readonly kind: 'yield' }
  | { readonly kind: 'failed'; readonly errno: number; readonly side: RelaySide }

const WAITING: MoveResult = { kind: 'waiting' }
const YIELD: MoveResult = { kind: 'yield' }

/** Bytes one way. Copied at first, the cheapest for short connections; spliced once it has carried enough to pay for a pipe. */
export class RelayDirection {
  readonly #from: RelaySide
  readonly #to: RelaySide
  readonly #deps: RelayDirectionDeps
  readonly #owed = new OwedBytes()
  #pipe: Pipe | undefined
  #inPipe = 0
  #bytes = 0
  #hasEnded = false

  constructor(from: RelaySide, to: RelaySide, deps: RelayDirectionDeps) {
    this.#from = from
    this.#to = to
    this.#deps = deps
  }

  /** Bytes taken from the source, so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** The source has finished, and the destination knows. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  get isSpliced(): boolean {
    return this.#pipe !== undefined
  }

  move(): MoveResult {
    if (!this.#to.isConnected) return WAITING
    for (let fills = this.#deps.limits.fillsPerTurn; !this.#hasEnded; fills--) {
      const blocked = this.#pushOwed()
      if (blocked !== undefined) return blocked
      if (!this.#from.isReadable) return WAITING
      if (fills === 0) return YIELD
      const failed = this.#pipe === undefined ? this.#copy() : this.#splice(this.#pipe)
      if (failed !== undefined) return failed
    }
    return WAITING
  }

  /** Gives its pipe back; what is owed is dropped. */
  release(): void {
    this.#owed.clear()
    if (this.#pipe !== undefined) this.#deps.pipes.giveBack(this.#pipe, this.#inPipe)
    this.#pipe = undefined
  }

  #copy(): MoveResult | undefined {
    const { buffer, limits, pipes } = this.#deps
    const wanted = buffer.bytes.length
    const got = sys.read(this.#from.fd, buffer.base, wanted)
    if (got <= 0) return this.#readStopped(got)
    this.#bytes += got
    const written = sys.write(this.#to.fd, buffer.base, got)
    if (written < 0 && errno() !== Errno.EAGAIN) return this.#failed(this.#to)
    if (written < got) this.#owed.append(buffer.bytes, Math.max(0, written), got)
    buffer.expire(got)
    // A short read says that the source is empty, unless a FIN is already queued and its edge is spent.
    if (got < wanted && !this.#from.sawHangup) this.#from.waitForEdge()
    if (this.#bytes >= limits.spliceAfterBytes && this.#owed.length === 0) this.#pipe = pipes.take()
    return undefined
  }

  /** The pipe is empty here, so EAGAIN can only mean that the source is; a short splice proves nothing: slots run out before bytes do. */
  #splice(pipe: Pipe): MoveResult | undefined {
    const got = sys.splice(
      this.#from.fd,
      NULL,
      pipe.writeEnd,
      NULL,
      this.#deps.limits.pipeBytes,
      SPLICE_NONBLOCK,
    )
    if (got <= 0) return this.#readStopped(got)
    this.#bytes += got
    this.#inPipe += got
    return undefined
  }

  #readStopped(got: number): MoveResult | undefined {
    if (got === 0) {
      this.#hasEnded = true
      sys.shutdown(this.#to.fd, SHUT_WR)
      return undefined
    }
    if (errno() !== Errno.EAGAIN) return this.#failed(this.#from)
    this.#from.waitForEdge()
    return WAITING
  }

  /** @returns `undefined` when nothing is owed to the destination any more. */
  #pushOwed(): MoveResult | undefined {
    while (this.#owed.length > 0) {
      if (this.#owed.writeTo(this.#to.fd) < 0) return this.#writeStopped()
    }
    while (this.#inPipe > 0 && this.#pipe !== undefined) {
      const moved = sys.splice(this.#pipe.readEnd, NULL, this.#to.fd, NULL, this.#inPipe, SPLICE_NONBLOCK)
      if (moved < 0) return this.#writeStopped()
      this.#inPipe -= moved
    }
    return undefined
  }

  #writeStopped(): MoveResult {
    return errno() === Errno.EAGAIN ? WAITING : this.#failed(this.#to)
  }

  #failed(side: RelaySide): MoveResult {
    return { kind: 'failed', errno: errno(), side }
  }
}
