import {
  DATA_EVENTS,
  EPOLLERR,
  EPOLLHUP,
  EPOLLRDHUP,
  type EventLoop,
  type Source,
  type Timer,
} from '@ambient/event-loop'
import { Arena, closeDescriptor, Errno, errnoName, receivePacket, sendPacket } from '@ambient/linux'
import {
  decodeWorkloadResponse,
  decodeZdsHello,
  encodeWorkloadRequest,
  type WireWorkloadRequest,
  ZDS_VERSION_1,
} from '@ambient/xds-proto'
import type { PodTable } from './pod-table.ts'
import type { ZdsLimits } from './zds-limits.ts'

/** What became of one request. */
export type ZdsResult =
  | { readonly kind: 'acked' }
  /** ztunnel's own words. */
  | { readonly kind: 'refused'; readonly error: string }
  | { readonly kind: 'no-connection' }
  | { readonly kind: 'failed'; readonly reason: string }

export type OnResult = (result: ZdsResult) => void

export interface ZdsConnectionDeps {
  readonly loop: EventLoop
  readonly limits: ZdsLimits
  readonly pods: PodTable
  /** A pod of the snapshot was refused; ztunnel tries again by itself. */
  readonly onRefused: (uid: string, error: string) => void
  readonly onClosed: (connection: ZdsConnection, reason: string) => void
}

interface Pending {
  readonly request: WireWorkloadRequest
  readonly onResult: OnResult
}

type ConnectionState =
  | { readonly kind: 'hello'; readonly deadline: Timer }
  | { readonly kind: 'snapshot'; readonly named: Set<string> }
  | { readonly kind: 'live' }
  | { readonly kind: 'closed' }

const HANG_UP = EPOLLERR | EPOLLHUP | EPOLLRDHUP
const NOTHING: OnResult = () => {}

/**
 * The agent's end of one connection of a ztunnel: hello, then the snapshot, then what is queued, one request in flight
 * at a time since answers are matched by order only. Owns `fd`.
 */
export class ZdsConnection implements Source {
  readonly #fd: number
  readonly #deps: ZdsConnectionDeps
  readonly #buffer: Arena
  readonly #queue: Pending[] = []
  #inFlight: { readonly pending: Pending; readonly deadline: Timer } | undefined
  #state: ConnectionState

  constructor(fd: number, deps: ZdsConnectionDeps) {
    this.#fd = fd
    this.#deps = deps
    this.#buffer = new Arena(deps.limits.messageBytes)
    this.#state = { kind: 'hello', deadline: this.#deadline(deps.limits.helloMs, 'no hello') }
    deps.loop.add(fd, DATA_EVENTS, this)
  }

  /** Queues a request behind the snapshot; `onResult` is called exactly once, now or later. */
  send(request: WireWorkloadRequest, onResult: OnResult): void {
    if (this.#state.kind === 'closed') return onResult({ kind: 'no-connection' })
    if (this.#queue.length >= this.#deps.limits.queuedRequests) {
      return onResult({ kind: 'failed', reason: 'too many requests wait for ztunnel' })
    }
    this.#queue.push({ request, onResult })
    this.#next()
  }

  onEvents(events: number): void {
    for (let more = true; more;) more = this.#receive()
    if ((events & HANG_UP) !== 0) this.close('ztunnel closed the connection')
  }

  onFault(cause: unknown): void {
    this.close(`fault: ${String(cause)}`)
  }

  /** Ends the connection; whoever waits is told. */
  close(reason: string): void {
    if (this.#state.kind === 'closed') return
    if (this.#state.kind === 'hello') this.#state.deadline.cancel()
    this.#state = { kind: 'closed' }
    this.#deps.loop.remove(this.#fd)
    closeDescriptor(this.#fd)
    this.#buffer.free()
    const waiting = [
      ...(this.#inFlight === undefined ? [] : [this.#inFlight.pending]),
      ...this.#queue.splice(0),
    ]
    this.#inFlight?.deadline.cancel()
    this.#inFlight = undefined
    this.#deps.onClosed(this, reason)
    for (const { onResult } of waiting) onResult({ kind: 'failed', reason })
  }

  /** @returns Whether there may be more to read. */
  #receive(): boolean {
    if (this.#state.kind === 'closed') return false
    const received = receivePacket(this.#fd, this.#buffer)
    if (received.kind === 'wait') return false
    if (received.kind === 'packet') {
      for (const fd of received.fds) closeDescriptor(fd)
      if (received.truncated || received.fds.length > 0)
        this.close('ztunnel sent a message that is too long or has descriptors')
      else this.#take(received.bytes)
    } else {
      this.close(
        received.kind === 'eof' ? 'ztunnel closed the connection' : `receive: ${errnoName(received.errno)}`,
      )
    }
    return true
  }

  #take(bytes: Uint8Array): void {
    if (this.#state.kind === 'hello') return this.#takeHello(this.#state.deadline, bytes)
    const inFlight = this.#inFlight
    if (inFlight === undefined) return this.close('ztunnel spoke without being asked')
    const error = orUndefined(() => decodeWorkloadResponse(bytes))
    if (error === undefined) return this.close('ztunnel sent no readable answer')
    inFlight.deadline.cancel()
    this.#inFlight = undefined
    inFlight.pending.onResult(error === '' ? { kind: 'acked' } : { kind: 'refused', error })
    this.#next()
  }

  #takeHello(deadline: Timer, bytes: Uint8Array): void {
    if (orUndefined(() => decodeZdsHello(bytes)) !== ZDS_VERSION_1)
      return this.close('ztunnel sent no hello of version 1')
    deadline.cancel()
    this.#state = { kind: 'snapshot', named: new Set() }
    this.#next()
  }

  #next(): void {
    // Requests that cannot be sent at all give way to the next one.
    while (this.#inFlight === undefined) {
      const pending = this.#nextPending()
      if (pending === undefined) return
      this.#transmit(pending)
    }
  }

  #nextPending(): Pending | undefined {
    const state = this.#state
    if (state.kind === 'live') return this.#queue.shift()
    if (state.kind !== 'snapshot') return undefined
    const pod = this.#deps.pods.firstBeyond(state.named)
    if (pod === undefined) {
      this.#state = { kind: 'live' }
      return { request: { kind: 'snapshot-sent' }, onResult: NOTHING }
    }
    const { uid, info } = pod
    state.named.add(uid)
    const onResult: OnResult = (result) => {
      if (result.kind === 'refused') this.#deps.onRefused(uid, result.error)
    }
    return { request: pod.netns === undefined ? { kind: 'keep', uid } : { kind: 'add', uid, info }, onResult }
  }

  #transmit(pending: Pending): void {
    const { request, onResult } = pending
    const netns = request.kind === 'add' ? this.#deps.pods.get(request.uid)?.netns : undefined
    if (request.kind === 'add' && netns === undefined)
      return onResult({ kind: 'failed', reason: `pod ${request.uid} is gone` })
    const bytes = encodeWorkloadRequest(request)
    if (bytes.length > this.#deps.limits.messageBytes)
      return onResult({ kind: 'failed', reason: 'the message is too long' })
    const sent = sendPacket(this.#fd, bytes, netns === undefined ? [] : [netns])
    if (sent.kind === 'failed' && sent.errno === Errno.EBADF)
      return onResult({ kind: 'failed', reason: 'the network namespace is not open' })
    this.#inFlight = { pending, deadline: this.#deadline(this.#deps.limits.ackMs, 'no answer') }
    if (sent.kind === 'failed') this.close(`send: ${errnoName(sent.errno)}`)
    if (sent.kind === 'wait') this.close('ztunnel does not read')
  }

  #deadline(afterMs: number, what: string): Timer {
    return this.#deps.loop.after(afterMs, () => this.close(`${what} from ztunnel within ${afterMs} ms`), this)
  }
}

/** The codec throws on bytes that are no message. */
function orUndefined<T>(decode: () => T | undefined): T | undefined {
  try {
    return decode()
  } catch {
    return undefined
  }
}
