import { rmSync } from 'node:fs'
import type { EventLoop } from '@ambient/event-loop'
import { closeDescriptor, seqpacketListen } from '@ambient/linux'
import {
  decodeHandoverRequest,
  encodeHandoverAnswer,
  HANDOVER_VERSION_1,
  type WireHandoverRequest,
} from '@ambient/xds-proto'
import type { HandedSocket, HandoverRequest, HandoverResult } from './handover-client.ts'
import { type HandoverLimits, handoverLimits } from './handover-limits.ts'
import { PacketLink } from './packet-link.ts'
import { SeqpacketAcceptor } from './seqpacket-acceptor.ts'
import { zdsLimits } from './zds-limits.ts'

export interface HandoverServerOptions {
  readonly path: string
  readonly limits?: Partial<HandoverLimits>
  /** `answer` once; the sockets in it are closed after they are sent, or when they cannot be. */
  onRequest(request: HandoverRequest, answer: (result: HandoverResult) => void): void
  /** The successor is gone; whether it had everything. */
  onLost(reason: string, hadFinished: boolean): void
  /** A second successor was turned away. */
  onTurnedAway(): void
}

interface Successor {
  readonly link: PacketLink
  /** Who only looks whether somebody listens says nothing. */
  hasSpoken: boolean
  isAnswering: boolean
  hadFinished: boolean
}

/**
 * The predecessor's end of the hand-over. Once a successor has finished, the path is free for it; the connection stays,
 * so that its end is noticed.
 */
export class HandoverServer implements Disposable {
  readonly #loop: EventLoop
  readonly #options: HandoverServerOptions
  readonly #limits: HandoverLimits
  #acceptor: SeqpacketAcceptor | undefined
  #successor: Successor | undefined

  /** @throws {SyscallError} `EADDRINUSE` when another proxy listens there. */
  constructor(loop: EventLoop, options: HandoverServerOptions) {
    this.#loop = loop
    this.#options = options
    this.#limits = { ...handoverLimits, ...options.limits }
    this.#acceptor = new SeqpacketAcceptor(seqpacketListen(options.path), loop, zdsLimits, (fd) =>
      this.#accept(fd),
    )
  }

  /** Without a callback. */
  [Symbol.dispose](): void {
    this.#stopListening()
    this.#successor?.link.close()
    this.#successor = undefined
  }

  #accept(fd: number): void {
    if (this.#successor !== undefined) {
      closeDescriptor(fd)
      return this.#options.onTurnedAway()
    }
    const link = new PacketLink(fd, {
      loop: this.#loop,
      maxBytes: this.#limits.handoverPacketBytes,
      onPacket: (bytes, fds) => {
        for (const each of fds) closeDescriptor(each)
        this.#serve(successor, bytes)
      },
      onLost: (reason) => {
        this.#successor = undefined
        if (successor.hasSpoken) this.#options.onLost(reason, successor.hadFinished)
      },
    })
    const successor: Successor = { link, hasSpoken: false, isAnswering: false, hadFinished: false }
    this.#successor = successor
  }

  #serve(successor: Successor, bytes: Uint8Array): void {
    const request = read(bytes)
    if (request === undefined || successor.isAnswering) return this.#refuse(successor, 'not understood')
    successor.hasSpoken = true
    if (request.kind === 'hello') {
      if (request.version === HANDOVER_VERSION_1) return this.#send(successor, [])
      return this.#refuse(successor, `no such version: ${request.version}`)
    }
    successor.isAnswering = true
    this.#options.onRequest(request, (result) => {
      successor.isAnswering = false
      if (result.kind === 'failed') return this.#refuse(successor, result.reason)
      if (request.kind === 'finish') {
        successor.hadFinished = true
        this.#stopListening()
      }
      this.#send(successor, result.sockets)
    })
  }

  #refuse({ link }: Successor, reason: string): void {
    link.send(encodeHandoverAnswer({ kind: 'refused', reason }))
  }

  #send({ link }: Successor, sockets: readonly HandedSocket[]): void {
    const most = this.#limits.handoverSocketsPerPacket
    for (let at = 0; at === 0 || at < sockets.length; at += most) {
      const part = sockets.slice(at, at + most)
      const more = at + most < sockets.length
      const bytes = encodeHandoverAnswer({ kind: 'done', sockets: part, more })
      const isSent = link.send(
        bytes,
        part.map(({ fd }) => fd),
      )
      if (!isSent) break
    }
    for (const { fd } of sockets) closeDescriptor(fd)
  }

  #stopListening(): void {
    if (this.#acceptor === undefined) return
    this.#acceptor.close()
    this.#acceptor = undefined
    rmSync(this.#options.path, { force: true })
  }
}

function read(bytes: Uint8Array): WireHandoverRequest | undefined {
  try {
    return decodeHandoverRequest(bytes)
  } catch {
    return undefined
  }
}
