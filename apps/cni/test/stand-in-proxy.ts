import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  acceptOn,
  bindSource,
  closeDescriptor,
  listenOn,
  localAddress,
  MESH_MARK,
  type NetworkNamespace,
  originalDestination,
  peerAddress,
  type SocketAddress,
  startConnect,
  takeSocketError,
  tcpSocket,
} from '@ambient/linux'

/** One connection that the kernel brought to the proxy. */
export interface Caught {
  /** Of the listener. */
  readonly port: number
  readonly peer: SocketAddress
  readonly local: SocketAddress
  readonly original: SocketAddress
}

export interface ProxyOptions {
  readonly netns: NetworkNamespace
  readonly ports: readonly number[]
  readonly onCaught: (caught: Caught) => void
  /** Where a destination leads; by default to itself. */
  readonly resolve?: (original: SocketAddress) => SocketAddress
}

/** ztunnel's part for one pod without the mesh: listens as ztunnel does and relays, outbound to where it was going, inbound as the client. */
export class StandInProxy implements Disposable {
  readonly #options: ProxyOptions
  readonly #listeners: { readonly fd: number; readonly port: number }[]
  readonly #sockets = new Set<Socket>()

  constructor(options: ProxyOptions) {
    this.#options = options
    this.#listeners = options.netns.enter(() =>
      options.ports.map((port) => ({
        port,
        fd: listenOn({ ip: '::', port }, { mark: MESH_MARK, transparent: true, reusePort: true }),
      })),
    )
  }

  /** Takes what has come meanwhile; to be called again and again. */
  acceptAll(): void {
    for (const { fd, port } of this.#listeners) {
      for (let result = acceptOn(fd); result.kind === 'accepted'; result = acceptOn(fd))
        void this.#relay(result.fd, port)
    }
  }

  /** What it carries goes on. */
  stopListening(): void {
    for (const { fd } of this.#listeners.splice(0)) closeDescriptor(fd)
  }

  [Symbol.dispose](): void {
    this.stopListening()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async #relay(accepted: number, port: number): Promise<void> {
    const { netns, onCaught, resolve = (original) => original } = this.#options
    const [peer, local] = [peerAddress(accepted), localAddress(accepted)]
    const original = originalDestination(accepted)
    onCaught({ port, peer, local, original })
    if (original.port === port) return void this.#own(accepted).resetAndDestroy() // dialled again, it would come back for ever
    const to = resolve(original)
    const family = to.ip.includes(':') ? 'v6' : 'v4'
    const dialled = netns.enter(() => tcpSocket({ mark: MESH_MARK, family }))
    if (port === 15_006) bindSource(dialled, peer.ip)
    startConnect(dialled, to)
    const isOpen = await connected(dialled)
    const [downstream, upstream] = [this.#own(accepted), this.#own(dialled)]
    downstream.on('close', () => upstream.destroy())
    upstream.on('close', () => downstream.destroy())
    if (isOpen) downstream.pipe(upstream).pipe(downstream)
    else downstream.resetAndDestroy()
  }

  #own(fd: number): Socket {
    const socket = new Socket({ fd })
    this.#sockets.add(socket)
    socket.on('error', () => {}) // its close tells as much
    socket.on('close', () => this.#sockets.delete(socket))
    return socket
  }
}

/** Whether a connect that was started succeeds. */
export async function connected(fd: number): Promise<boolean> {
  for (;;) {
    if (takeSocketError(fd) !== 0) return false
    try {
      peerAddress(fd)
      return true
    } catch {
      await sleep(1)
    }
  }
}
