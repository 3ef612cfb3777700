import type { EventLoop, Timer } from '@ambient/event-loop'
import { closeDescriptor, seqpacketConnect } from '@ambient/linux'
import {
  decodeHandoverAnswer,
  encodeHandoverRequest,
  HANDOVER_VERSION_1,
  type WireHandoverRequest,
  type WireSocket,
} from '@ambient/xds-proto'
import { type HandoverLimits, handoverLimits } from './handover-limits.ts'
import { PacketLink } from './packet-link.ts'

export type HandoverRequest = Exclude<WireHandoverRequest, { readonly kind: 'hello' }>

/** A listening socket on its way from one node proxy to another. */
export interface HandedSocket extends WireSocket {
  readonly fd: number
}

export type HandoverResult =
  /** The descriptors are the receiver's. */
  | { readonly kind: 'done'; readonly sockets: readonly HandedSocket[] }
  | { readonly kind: 'failed'; readonly reason: string }

export interface HandoverClientOptions {
  readonly path: string
  readonly limits?: Partial<HandoverLimits>
  /** The predecessor is gone, or cannot be understood: nothing more is to be had from it. */
  onLost(reason: string): void
}

interface Pending {
  readonly request: WireHandoverRequest
  readonly onResult: (result: HandoverResult) => void
}

/** The successor's end of the hand-over: asks one thing after another. */
export class HandoverClient {
  readonly #loop: EventLoop
  readonly #options: HandoverClientOptions
  readonly #limits: HandoverLimits
  readonly #link: PacketLink
  readonly #queue: Pending[] = []
  #inFlight: { readonly pending: Pending; readonly deadline: Timer; sockets: HandedSocket[] } | undefined
  #isOpen = true

  private constructor(fd: number, loop: EventLoop, options: HandoverClientOptions) {
    this.#loop = loop
    this.#options = options
    this.#limits = { ...handoverLimits, ...options.limits }
    this.#link = new PacketLink(fd, {
      loop,
      maxBytes: this.#limits.handoverPacketBytes,
      onPacket: (bytes, fds) => this.#take(bytes, fds),
      onLost: (reason) => this.#lose(reason),
    })
    this.#ask({
      request: { kind: 'hello', version: HANDOVER_VERSION_1 },
      onResult: (result) => {
        if (result.kind === 'failed') this.#lose(result.reason)
      },
    })
  }

  /** @returns undefined when there is no predecessor that hands over. */
  static connect(loop: EventLoop, options: HandoverClientOptions): HandoverClient | undefined {
    const connected = seqpacketConnect(options.path)
    return connected.kind === 'connected' ? new HandoverClient(connected.fd, loop, options) : undefined
  }

  /** `onResult` is called exactly once, unless the client is closed before. */
  request(request: HandoverRequest, onResult: (result: HandoverResult) => void): void {
    if (!this.#isOpen) return onResult({ kind: 'failed', reason: 'the predecessor is gone' })
    this.#ask({ request, onResult })
  }

  /** Ends the connection without a callback: the predecessor serves on, if it still can. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#link.close()
    this.#inFlight?.deadline.cancel()
    this.#drop()
  }

  #ask(pending: Pending): void {
    this.#queue.push(pending)
    this.#next()
  }

  #next(): void {
    if (this.#inFlight !== undefined) return
    const pending = this.#queue.shift()
    if (pending === undefined) return
    const { handoverAnswerMs: ms } = this.#limits
    const deadline = this.#loop.after(ms, () => this.#lose(`no answer within ${ms} ms`), this.#link)
    this.#inFlight = { pending, deadline, sockets: [] }
    this.#link.send(encodeHandoverRequest(pending.request))
  }

  #take(bytes: Uint8Array, fds: readonly number[]): void {
    const inFlight = this.#inFlight
    const answer = inFlight === undefined ? undefined : read(bytes)
    const expected = answer?.kind === 'done' ? answer.sockets : []
    if (inFlight === undefined || answer === undefined || expected.length !== fds.length) {
      for (const fd of fds) closeDescriptor(fd)
      return this.#lose('an answer that cannot be understood')
    }
    inFlight.sockets.push(...joined(expected, fds))
    if (answer.kind === 'done' && answer.more) return
    inFlight.deadline.cancel()
    if (answer.kind === 'refused') this.#drop()
    this.#inFlight = undefined
    inFlight.pending.onResult(
      answer.kind === 'done'
        ? { kind: 'done', sockets: inFlight.sockets }
        : { kind: 'failed', reason: answer.reason },
    )
    this.#next()
  }

  #lose(reason: string): void {
    if (!this.#isOpen) return
    const waiting = [...(this.#inFlight === undefined ? [] : [this.#inFlight.pending]), ...this.#queue]
    this.close()
    this.#queue.length = 0
    this.#inFlight = undefined
    this.#options.onLost(reason)
    for (const { onResult } of waiting) onResult({ kind: 'failed', reason })
  }

  /** Closes what came of an answer that nobody will get. */
  #drop(): void {
    for (const { fd } of this.#inFlight?.sockets.splice(0) ?? []) closeDescriptor(fd)
  }
}

/** What a later version listens on is not ours to serve. */
function joined(sockets: readonly (WireSocket | undefined)[], fds: readonly number[]): HandedSocket[] {
  return fds.flatMap((fd, index) => {
    const socket = sockets[index]
    if (socket !== undefined) return [{ ...socket, fd }]
    closeDescriptor(fd)
    return []
  })
}

function read(bytes: Uint8Array): ReturnType<typeof decodeHandoverAnswer> | undefined {
  try {
    return decodeHandoverAnswer(bytes)
  } catch {
    return undefined
  }
}
