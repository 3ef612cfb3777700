/** A name server of a few lines, in a pod outside of the mesh. */
import { createSocket, type Socket } from 'node:dgram'
import net from 'node:net'
import { decodeMessage, decodeStreamFrame, type DnsMessage, encodeStreamFrame } from '@ambient/dns'
import { listenOn, udpListen } from '@ambient/linux'
import type { TestPod } from './pod-net.ts'

export interface SeenQuery {
  readonly bytes: Buffer
  readonly query: DnsMessage
  readonly transport: 'udp' | 'tcp'
  readonly from: { readonly address: string; readonly port: number }
  readonly reply: (message: Uint8Array) => void
  /** From another port than the one asked. */
  readonly replyFromElsewhere: (message: Uint8Array) => void
}

export class TestNameServer implements Disposable {
  readonly seen: SeenQuery[] = []
  /** What it does with a query; nothing, unless it is told. */
  onQuery: (query: SeenQuery) => void = () => {}
  readonly #sockets: Socket[]
  readonly #server = net.createServer((socket) => this.#serve(socket))
  readonly #connections = new Set<net.Socket>()

  constructor(pod: TestPod, ip: string) {
    const fd = pod.netns.enter(() => udpListen({ ip, port: 53 }))
    const elsewhereFd = pod.netns.enter(() => udpListen({ ip, port: 54 }))
    const tcpFd = pod.netns.enter(() => listenOn({ ip, port: 53 }))
    const type = ip.includes(':') ? 'udp6' : 'udp4'
    const [main, elsewhere] = [fd, elsewhereFd].map((one) => createSocket(type).bind({ fd: one }))
    if (main === undefined || elsewhere === undefined) throw new Error('two sockets were made')
    this.#sockets = [main, elsewhere]
    main.on('message', (bytes, { address, port }) => {
      this.#take({
        bytes,
        query: decodeMessage(bytes),
        transport: 'udp',
        from: { address, port },
        reply: (message) => main.send(message, port, address),
        replyFromElsewhere: (message) => elsewhere.send(message, port, address),
      })
    })
    this.#server.listen({ fd: tcpFd })
  }

  /** Forgets what it saw, and does something else from now on. */
  will(onQuery: (query: SeenQuery) => void): void {
    this.seen.length = 0
    this.onQuery = onQuery
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.close()
    for (const socket of this.#connections) socket.destroy()
    this.#server.close()
  }

  #serve(socket: net.Socket): void {
    this.#connections.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#connections.delete(socket))
    let received = Buffer.alloc(0)
    socket.on('data', (part: Buffer) => {
      received = Buffer.concat([received, part])
      for (;;) {
        const frame = decodeStreamFrame(received)
        if (frame.kind === 'need') return
        received = received.subarray(frame.consumed)
        const reply = (message: Uint8Array): void => void socket.write(encodeStreamFrame(message))
        this.#take({
          bytes: Buffer.from(frame.value),
          query: decodeMessage(frame.value),
          transport: 'tcp',
          from: { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
          reply,
          replyFromElsewhere: reply,
        })
      }
    })
  }

  #take(query: SeenQuery): void {
    this.seen.push(query)
    this.onQuery(query)
  }
}
