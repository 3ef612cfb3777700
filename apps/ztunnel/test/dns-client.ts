/** An app's resolver: it asks from inside its pod, and does not know where its packets go. */
import type net from 'node:net'
import { decodeStreamFrame, encodeStreamFrame } from '@ambient/dns'
import type { EventLoop } from '@ambient/event-loop'
import {
  Arena,
  closeDescriptor,
  errnoName,
  MAX_DATAGRAM_BYTES,
  receiveDatagram,
  sendDatagram,
  startConnect,
  udpSocket,
} from '@ambient/linux'
import { waitFor } from '@ambient/testkit'
import type { TestPod } from './pod-net.ts'

const arena = new Arena(MAX_DATAGRAM_BYTES)

export interface DnsAsker {
  readonly pod: TestPod
  readonly loop: EventLoop
  /** Where it believes the name server to be. */
  readonly server: string
}

/** One datagram there, one back. */
export async function askUdp({ pod, server }: DnsAsker, message: Uint8Array): Promise<Buffer> {
  const fd = pod.netns.enter(() => udpSocket({ family: server.includes(':') ? 'v6' : 'v4' }))
  try {
    // Connected, so that an answer from anywhere but the name server is none.
    startConnect(fd, { ip: server, port: 53 })
    arena.bytes.set(message)
    sendDatagram(fd, arena, message.length, { ip: server, port: 53 })
    return await waitFor('an answer', () => {
      const result = receiveDatagram(fd, arena)
      if (result.kind === 'failed') throw new Error(errnoName(result.errno))
      return result.kind === 'received' && Buffer.from(arena.bytes.subarray(0, result.length))
    })
  } finally {
    closeDescriptor(fd)
  }
}

/** A connection on which messages are sent and received. */
export class TcpResolver {
  readonly socket: net.Socket
  readonly answers: Buffer[] = []
  hasEnded = false
  #received = Buffer.alloc(0)

  private constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('data', (part: Buffer) => {
      this.#received = Buffer.concat([this.#received, part])
      for (;;) {
        const frame = decodeStreamFrame(this.#received)
        if (frame.kind === 'need') return
        this.answers.push(Buffer.from(frame.value))
        this.#received = this.#received.subarray(frame.consumed)
      }
    })
    socket.on('close', () => (this.hasEnded = true))
    socket.on('end', () => (this.hasEnded = true))
  }

  static async open({ pod, loop, server }: DnsAsker): Promise<TcpResolver> {
    return new TcpResolver(await pod.dial(loop, server, 53))
  }

  send(...messages: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(messages.map(encodeStreamFrame)))
  }

  async answered(count: number): Promise<readonly Buffer[]> {
    return waitFor(`${count} answers`, () => this.answers.length >= count && this.answers)
  }

  async ended(deadlineMs?: number): Promise<void> {
    await waitFor(
      'the connection to end',
      () => this.hasEnded,
      deadlineMs === undefined ? {} : { deadlineMs },
    )
  }
}

/** One query there and its answer back, over a connection of its own. */
export async function askTcp(asker: DnsAsker, message: Uint8Array): Promise<Buffer> {
  const resolver = await TcpResolver.open(asker)
  resolver.send(message)
  const [answer = Buffer.alloc(0)] = await resolver.answered(1)
  resolver.socket.destroy()
  return answer
}
