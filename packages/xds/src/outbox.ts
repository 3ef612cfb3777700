import { type GrpcServerCall, gzipMessage } from '@ambient/grpc'
import type { Clock } from '@ambient/lifecycle'
import type { XdsLimits } from './limits.ts'
import type { Response } from './response-body.ts'

export interface OutboxDeps {
  readonly limits: Pick<XdsLimits, 'inFlightBytes' | 'sendMs' | 'gzipBytes'>
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Told when the connection has taken that many bytes, or never will. */
  readonly onSent: (bytes: number, tookMs: number) => void
  /** An error of our own while sending, when nobody is there to catch it. */
  readonly onFault: (cause: unknown) => void
  /** The client took nothing for too long, and was cut. */
  readonly onStuck: () => void
}

/** What was sent to one client and has not been read by it. */
export class Outbox {
  readonly #call: GrpcServerCall
  readonly #deps: OutboxDeps
  #inFlightBytes = 0
  /** Responses go out in order: none may overtake one that is being compressed. */
  #isCompressing = false
  #stuck: NodeJS.Timeout | undefined

  constructor(call: GrpcServerCall, deps: OutboxDeps) {
    this.#call = call
    this.#deps = deps
    call.over.addEventListener('abort', () => clearTimeout(this.#stuck), { once: true })
  }

  /** Whether the client has to read first. */
  get isFull(): boolean {
    return this.#isCompressing || this.#inFlightBytes >= this.#deps.limits.inFlightBytes || this.#call.isEnded
  }

  /** @returns How many bytes it is, uncompressed; `onSent` tells of as many. */
  send({ head, body }: Response): number {
    const { limits, onFault } = this.#deps
    const bytes = head.length + body.bytes.length
    this.#count(bytes)
    if (!this.#call.acceptsGzip || body.bytes.length < limits.gzipBytes) {
      this.#write([body.bytes, head], 'identity', bytes)
      return bytes
    }
    this.#isCompressing = true
    body.deflated().then((deflated) => {
      this.#isCompressing = false
      this.#write(gzipMessage(deflated, head), 'gzip', bytes)
    }, onFault)
    return bytes
  }

  #write(pieces: readonly Uint8Array[], encoding: 'identity' | 'gzip', bytes: number): void {
    const startMs = this.#deps.clock.monotonicMs()
    this.#call.write({ pieces, encoding }, () => {
      this.#count(-bytes)
      this.#deps.onSent(bytes, this.#deps.clock.monotonicMs() - startMs)
    })
  }

  #count(bytes: number): void {
    this.#inFlightBytes += bytes
    clearTimeout(this.#stuck)
    if (this.#inFlightBytes === 0 || this.#call.over.aborted) return
    this.#stuck = setTimeout(() => {
      this.#call.cancel()
      this.#deps.onStuck()
    }, this.#deps.limits.sendMs)
  }
}
