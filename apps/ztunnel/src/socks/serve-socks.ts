import {
  DATA_EVENTS,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLRDHUP,
  type Source,
  type Timer,
} from '@ambient/event-loop'
import {
  Arena,
  closeDescriptor,
  Errno,
  errno,
  errnoName,
  localAddress,
  resetSocket,
  type SocketAddress,
  sys,
  takeSocketError,
} from '@ambient/linux'
import { isIpv6 } from '@ambient/model'
import type { AccessError } from '@ambient/telemetry'
import { type AppSide, UpstreamConnect } from '../outbound/upstream-connect.ts'
import type { PodContext } from '../worker/pod-context.ts'
import { isSelfCall, SELF_CALL } from '../worker/self-call.ts'
import { withLocal } from '../worker/with-local.ts'
import { setTcpOptions } from '../worker/set-tcp-options.ts'
import { SOCKS_LIMITS } from './socks-limits.ts'
import {
  decodeGreeting,
  decodeSocksRequest,
  encodeReply,
  METHOD_ACCEPTED,
  replyCode,
  SOCKS_REPLY,
  type SocksTarget,
} from './socks-message.ts'

/** The longest greeting and the longest request have as many. */
const MESSAGE_BYTES = 5 + 255 + 2

/** Takes one SOCKS5 client of the pod from its greeting to its last byte; owns `fd` from here on. */
export function serveSocks(fd: number, peer: SocketAddress, pod: PodContext): void {
  setTcpOptions(fd, pod.shared.settings.tcp)
  new SocksHandshake(fd, peer, pod).start()
}

/** A client until it has said where it wants to go. Never reads beyond that: what follows is the upstream's. */
class SocksHandshake implements Source {
  readonly #fd: number
  readonly #peer: SocketAddress
  readonly #pod: PodContext
  readonly #message = new Arena(MESSAGE_BYTES)
  #received = 0
  #state: 'greeting' | 'request' | 'resolving' | 'over' = 'greeting'
  #timer: Timer | undefined
  #leave: () => void = () => {}

  constructor(fd: number, peer: SocketAddress, pod: PodContext) {
    this.#fd = fd
    this.#peer = peer
    this.#pod = pod
  }

  start(): void {
    const { loop } = this.#pod.shared
    const close = (reason: string): void => this.#fail({ reason: 'DRAINED', detail: reason })
    this.#leave = this.#pod.adopt({ drain: () => {}, close }, 'source')
    const late = (): void =>
      this.#fail({ reason: 'LIMIT_REACHED', detail: 'socksRequestMs: the client did not say what it wants' })
    this.#timer = loop.after(SOCKS_LIMITS.socksRequestMs.value, late, this)
    loop.add(this.#fd, DATA_EVENTS, this)
  }

  onEvents(events: number): void {
    if (events & EPOLLERR) return this.#gone(takeSocketError(this.#fd))
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) this.#read()
  }

  onFault(): void {
    this.#fail({ reason: 'WORKER_FAULT', detail: 'an error of our own' })
  }

  #read(): void {
    while (this.#state === 'greeting' || this.#state === 'request') {
      const input = this.#message.bytes.subarray(0, this.#received)
      const decoded = this.#state === 'greeting' ? decodeGreeting(input) : decodeSocksRequest(input)
      if (decoded.kind === 'refused') return this.#refuse(decoded.answer, decoded.detail)
      if (decoded.kind === 'done') this.#heard(decoded.value)
      else if (!this.#receive(decoded.bytes - this.#received)) return
    }
  }

  /** @returns Whether there is more to look at. */
  #receive(wanted: number): boolean {
    const got = sys.read(this.#fd, this.#message.at(this.#received), wanted)
    if (got > 0) {
      this.#received += got
      return true
    }
    const code = got === 0 ? 0 : errno()
    if (code !== Errno.EAGAIN) this.#gone(code)
    return false
  }

  #heard(target: SocksTarget | undefined): void {
    this.#received = 0
    if (target === undefined) {
      this.#state = 'request'
      this.#send(METHOD_ACCEPTED)
      return
    }
    this.#state = 'resolving'
    if (target.kind === 'address') return this.#connect(target)
    const { lookup } = this.#pod
    if (lookup === undefined)
      return this.#fail({ reason: 'WORKLOAD_ADDRESS_UNKNOWN', detail: 'host names need the DNS proxy' })
    const { hostname, port } = target
    lookup(hostname, isIpv6(this.#peer.ip) ? 'v6' : 'v4', (answer) => {
      if (this.#state !== 'resolving') return
      this.#pod.shared.loop.contain(this, () => {
        const [ip] = answer.kind === 'resolved' ? answer.addresses : []
        if (ip !== undefined) return this.#connect({ ip, port })
        const detail = answer.kind === 'failed' ? answer.detail : `no address of ${hostname}`
        this.#fail({ reason: 'WORKLOAD_ADDRESS_UNKNOWN', detail })
      })
    })
  }

  #connect({ ip, port }: SocketAddress): void {
    const destination = { ip, port }
    const peer = this.#peer
    const pod = this.#pod
    if (isSelfCall(destination, pod.shared.illegalPorts)) return this.#fail(SELF_CALL, destination)
    this.#letGo()
    const ends = { direction: 'outbound', src: peer, dst: destination } as const
    withLocal(this.#fd, pod, ends, (source) =>
      new UpstreamConnect({ pod, peer, destination, source, app: AWARE }).start(this.#fd),
    )
  }

  #refuse(answer: Uint8Array, detail: string): void {
    this.#send(answer)
    this.#end({ reason: 'SOCKS_REQUEST_INVALID', detail }, closeDescriptor)
  }

  #fail(error: AccessError, destination?: SocketAddress): void {
    if (this.#state !== 'greeting') this.#send(encodeReply(replyCode(error)))
    this.#end(error, closeDescriptor, destination)
  }

  #gone(code: number): void {
    const detail = code === 0 ? 'hung up before it said what it wants' : errnoName(code)
    this.#end({ reason: 'DOWNSTREAM_CLOSED', detail }, resetSocket)
  }

  #end(error: AccessError, close: (fd: number) => void, destination?: SocketAddress): void {
    if (this.#state === 'over') return
    const dst = destination ?? localAddress(this.#fd)
    this.#letGo()
    close(this.#fd)
    this.#pod.refused({ direction: 'outbound', src: this.#peer, dst, ...error })
  }

  /** The descriptor is somebody else's from now on. */
  #letGo(): void {
    this.#state = 'over'
    this.#timer?.cancel()
    this.#leave()
    this.#pod.shared.loop.remove(this.#fd)
  }

  #send(bytes: Uint8Array): void {
    send(this.#fd, bytes)
  }
}

/** An app that is told what became of its wish: only once it has. */
const AWARE: AppSide = {
  onUp: (fd) => send(fd, encodeReply(SOCKS_REPLY.succeeded)),
  onDown: (fd, error) => {
    send(fd, encodeReply(replyCode(error)))
    closeDescriptor(fd)
  },
}

/** A few bytes into a socket that has been sent next to nothing: there is room, or there is nobody. */
function send(fd: number, bytes: Uint8Array): void {
  if (bytes.length === 0) return
  const arena = new Arena(bytes.length)
  arena.bytes.set(bytes)
  sys.write(fd, arena.base, bytes.length)
  arena.free()
}
