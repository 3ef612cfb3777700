import { LEVEL_READ, type Source } from '@ambient/event-loop'
import {
  closeDescriptor,
  receiveDatagram,
  sendDatagram,
  type SocketAddress,
  startConnect,
} from '@ambient/linux'
import type { DnsRequest } from './dns-request.ts'
import type { DnsThread } from './dns-thread.ts'
import type { PodSocket } from '../worker/pod-socket.ts'

const PAUSE_MS = 100
/** Bounds the emptying of a queue that is filled meanwhile. */
const MAX_DRAIN = 4096
/** Nobody sends from it. */
const DISCARD_PORT = 9

/** A UDP socket on which pods ask; owned. */
export class DatagramListener implements Source {
  readonly #fd: number
  readonly #at: SocketAddress
  readonly #thread: DnsThread
  readonly #onRequest: (request: DnsRequest) => void
  #state: 'reading' | 'paused' | 'parked' | 'deaf' | 'closed' = 'reading'
  #isShared = false

  constructor({ fd, ip, port }: PodSocket, thread: DnsThread, onRequest: (request: DnsRequest) => void) {
    this.#fd = fd
    this.#at = { ip, port }
    this.#thread = thread
    this.#onRequest = onRequest
    thread.loop.add(fd, LEVEL_READ, this)
  }

  onEvents(): void {
    this.#receiveUpTo(this.#thread.limits.dnsDatagramsPerTurn)
  }

  /** A bug in here must not make a pod deaf for ever. */
  onFault(): void {
    if (this.#state === 'reading') this.#pause()
  }

  /** Another process has the socket as well: what is queued is also its own, and connecting it would make both deaf. */
  share(): void {
    this.#isShared = true
  }

  /** Reads no more, for who else has the socket to read, until `resume`; answers still go out. */
  park(): void {
    if (this.#state === 'reading') this.#thread.loop.remove(this.#fd)
    if (this.#state === 'reading' || this.#state === 'paused') this.#state = 'parked'
  }

  resume(): void {
    if (this.#state !== 'parked') return
    this.#state = 'reading'
    this.#thread.loop.add(this.#fd, LEVEL_READ, this)
  }

  /**
   * Takes what is queued and no more; answers still go out. Connected to where nothing comes from, the socket gets no
   * further query, and another listener at this address, of the next ztunnel, gets them all.
   */
  drain(): void {
    if (this.#state === 'closed' || this.#state === 'deaf') return
    const isParked = this.#state === 'parked'
    this.#state = 'reading'
    if (!this.#isShared) startConnect(this.#fd, { ip: this.#at.ip, port: DISCARD_PORT })
    if (!isParked) this.#receiveUpTo(MAX_DRAIN)
    this.#thread.loop.remove(this.#fd)
    this.#state = 'deaf'
  }

  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#thread.loop.remove(this.#fd)
    closeDescriptor(this.#fd)
  }

  #receiveUpTo(most: number): void {
    const { arena, loop } = this.#thread
    for (let taken = 0; taken < most && this.#state === 'reading'; taken++) {
      const result = receiveDatagram(this.#fd, arena)
      if (result.kind === 'wait') return
      if (result.kind === 'failed') return this.#pause()
      // From ourselves, as nobody but a forger sends: it would be answered for ever.
      if (result.peer.port === this.#at.port && result.peer.ip === this.#at.ip) continue
      const request = this.#requestOf(arena.bytes.slice(0, result.length), result.peer)
      loop.contain(undefined, () => this.#onRequest(request))
    }
  }

  #requestOf(bytes: Uint8Array, peer: SocketAddress): DnsRequest {
    return {
      bytes,
      transport: 'udp',
      answer: (message) => {
        if (message === undefined || this.#state === 'closed') return
        const { arena } = this.#thread
        arena.bytes.set(message)
        // What the kernel has no room for is lost, as any datagram may be.
        sendDatagram(this.#fd, arena, message.length, peer)
      },
    }
  }

  #pause(): void {
    const { loop } = this.#thread
    this.#state = 'paused'
    loop.remove(this.#fd)
    loop.after(PAUSE_MS, () => {
      if (this.#state !== 'paused') return
      this.#state = 'reading'
      loop.add(this.#fd, LEVEL_READ, this)
    })
  }
}
