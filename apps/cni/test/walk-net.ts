import { createServer, type Server, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Arena,
  closeDescriptor,
  listenOn,
  localAddress,
  MAX_DATAGRAM_BYTES,
  MESH_MARK,
  type NetworkNamespace,
  receiveDatagram,
  sendDatagram,
  type SocketAddress,
  startConnect,
  tcpSocket,
  udpListen,
  udpSocket,
} from '@ambient/linux'
import { waitFor } from '@ambient/testkit'
import { ip } from './node-rules.ts'
import { ScratchNetns } from './scratch-netns.ts'
import { type Caught, connected, StandInProxy } from './stand-in-proxy.ts'

export type WalkFamily = 'IPv4' | 'IPv6'

/** Who is where, in each family. */
export const places: Readonly<
  Record<
    WalkFamily,
    {
      readonly loopback: string
      readonly pod: string
      readonly node: string
      readonly remote: string
      /** A machine behind an interface of the pod. */
      readonly guest: string
      /** What the pod's interface towards it has. */
      readonly tap: string
      /** The address of a service; nobody has it. */
      readonly service: string
      readonly probe: string
    }
  >
> = {
  IPv4: {
    loopback: '127.0.0.1',
    pod: '10.98.1.2',
    node: '10.98.1.1',
    remote: '10.98.2.2',
    guest: '10.98.3.2',
    tap: '10.98.3.1',
    service: '10.98.9.9',
    probe: '169.254.7.127',
  },
  IPv6: {
    loopback: '::1',
    pod: 'fd98:1::2',
    node: 'fd98:1::1',
    remote: 'fd98:2::2',
    guest: 'fd98:3::2',
    tap: 'fd98:3::1',
    service: 'fd98:9::9',
    probe: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff',
  },
}

const families = ['IPv4', 'IPv6'] as const
const APP_PORT = 8080
const REMOTE_PORT = 80
const DNS_PORT = 53
const into = new Arena(MAX_DATAGRAM_BYTES)

/** What a program was told by the one it reached: the address that the other saw, and the one it was reached at. */
export interface Greeting {
  readonly who: string
  readonly peer: string
  readonly local: string
}

/** A node with a pod on one cable and a remote machine on another, real programs in all, and ztunnel's part in the pod. */
export class WalkNet {
  readonly node: ScratchNetns = new ScratchNetns()
  readonly pod: ScratchNetns = new ScratchNetns()
  readonly remote: ScratchNetns = new ScratchNetns()
  readonly guest: ScratchNetns = new ScratchNetns()
  /** What came to the proxy, in order. */
  readonly caught: Caught[] = []
  /** Datagrams that came to the proxy's DNS listener, and those that came to the remote's port 53: from whom. */
  readonly dnsAtProxy: string[] = []
  readonly dnsAtRemote: string[] = []
  #proxy: StandInProxy | undefined
  readonly #servers: Server[] = []
  readonly #udp: { readonly fd: number; readonly seen: string[] }[] = []
  #isOpen = true
  readonly #turning: Promise<void>

  constructor() {
    for (const each of [this.node, this.pod, this.remote, this.guest])
      each.run('sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad')
    for (const each of [this.node, this.pod])
      each.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
    cable(this.node, this.pod, { from: 'pod0', to: 'eth0', networks: ['10.98.1.', 'fd98:1::'] })
    cable(this.node, this.remote, { from: 'remote0', to: 'eth0', networks: ['10.98.2.', 'fd98:2::'] })
    cable(this.pod, this.guest, { from: 'tap0', to: 'eth0', networks: ['10.98.3.', 'fd98:3::'] })
    this.#serve(this.pod, 'app', APP_PORT)
    this.#serve(this.remote, 'remote', REMOTE_PORT)
    this.#serve(this.remote, 'remote', DNS_PORT)
    for (const family of families)
      this.#serveUdp(this.remote, { ip: places[family].remote, port: DNS_PORT }, this.dnsAtRemote)
    this.#turning = this.#turn()
  }

  /** From here on somebody listens where packets are redirected to. */
  startProxy(): void {
    this.#proxy = new StandInProxy({
      netns: this.pod.netns,
      ports: [15_001, 15_006, 15_008, 15_053],
      onCaught: (caught) => this.caught.push(caught),
      resolve: ({ ip: to, port }) => {
        const family = families.find((each) => places[each].service === to)
        return family === undefined ? { ip: to, port } : { ip: places[family].pod, port: APP_PORT }
      },
    })
    for (const family of families)
      this.#serveUdp(this.pod, { ip: places[family].loopback, port: 15_053 }, this.dnsAtProxy, MESH_MARK)
  }

  stopProxy(): void {
    this.#proxy?.[Symbol.dispose]()
    this.#proxy = undefined
    for (const { fd } of this.#udp.splice(families.length)) closeDescriptor(fd)
  }

  /** Connects and reads the greeting. @throws {Error} `refused`, or `reset` when there was none */
  async greet(from: ScratchNetns, to: SocketAddress): Promise<Greeting> {
    using client = await TestConnection.open(from.netns, to)
    return await client.greeting()
  }

  connect(from: ScratchNetns, to: SocketAddress): Promise<TestConnection> {
    return TestConnection.open(from.netns, to)
  }

  /** Asks by one datagram. @returns who answered, as the asker sees it */
  async ask(
    from: ScratchNetns,
    to: SocketAddress,
    options: { readonly mark?: number; readonly isConnected?: boolean } = {},
  ): Promise<SocketAddress> {
    const family = to.ip.includes(':') ? 'v6' : 'v4'
    const mark = options.mark === undefined ? {} : { mark: options.mark }
    const fd = from.netns.enter(() => udpSocket({ family, ...mark }))
    try {
      if (options.isConnected === true) startConnect(fd, to)
      into.bytes.set(Buffer.from('question'))
      const sent = sendDatagram(fd, into, 8, to)
      if (sent.kind !== 'sent') throw new Error(`not sent: ${JSON.stringify(sent)}`)
      return await waitFor(`an answer from ${to.ip}`, () => {
        const result = receiveDatagram(fd, into)
        return result.kind === 'received' && result.peer
      })
    } finally {
      closeDescriptor(fd)
    }
  }

  /** Entries of the pod's connection tracking, as `conntrack` prints them. */
  tracked(family: WalkFamily): readonly string[] {
    const text = this.pod.run('conntrack', '-L', '-f', family === 'IPv4' ? 'ipv4' : 'ipv6')
    return text.split('\n').filter((line) => line !== '')
  }

  async close(): Promise<void> {
    this.#isOpen = false
    await this.#turning
    this.stopProxy()
    for (const { fd } of this.#udp) closeDescriptor(fd)
    for (const server of this.#servers) server.close()
    for (const each of [this.node, this.pod, this.remote, this.guest]) each[Symbol.dispose]()
  }

  #serve(where: ScratchNetns, who: string, port: number): void {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      const [peer, local] = [socket.remoteAddress, socket.localAddress].map((each) =>
        each?.replace('::ffff:', ''),
      )
      socket.write(`${JSON.stringify({ who, peer, local })}\n`)
      socket.pipe(socket)
    })
    server.listen({ fd: where.netns.enter(() => listenOn({ ip: '::', port })) })
    this.#servers.push(server)
  }

  #serveUdp(where: ScratchNetns, at: SocketAddress, seen: string[], mark?: number): void {
    const fd = where.netns.enter(() => udpListen(at, mark === undefined ? {} : { mark }))
    this.#udp.push({ fd, seen })
  }

  async #turn(): Promise<void> {
    while (this.#isOpen) {
      this.#proxy?.acceptAll()
      for (const { fd, seen } of this.#udp) {
        const result = receiveDatagram(fd, into)
        if (result.kind !== 'received') continue
        seen.push(result.peer.ip)
        sendDatagram(fd, into, result.length, result.peer)
      }
      await sleep(1)
    }
  }
}

/** A connection from inside a namespace. */
export class TestConnection implements Disposable {
  readonly #socket: Socket
  #heard = ''
  #end: string | undefined
  readonly local: SocketAddress

  private constructor(fd: number) {
    this.local = localAddress(fd)
    this.#socket = new Socket({ fd })
    this.#socket.on('data', (chunk: Buffer) => (this.#heard += chunk.toString()))
    this.#socket.on('error', (cause: NodeJS.ErrnoException) => (this.#end = cause.code))
    this.#socket.on('close', () => (this.#end ??= 'closed'))
  }

  static async open(netns: NetworkNamespace, to: SocketAddress): Promise<TestConnection> {
    const fd = netns.enter(() => tcpSocket({ family: to.ip.includes(':') ? 'v6' : 'v4' }))
    startConnect(fd, to)
    if (await connected(fd)) return new TestConnection(fd)
    closeDescriptor(fd)
    throw new Error('refused')
  }

  async greeting(): Promise<Greeting> {
    const line = await waitFor(
      'a greeting',
      () => this.#heard.split('\n', 2).length === 2 && this.#heard.split('\n')[0],
    )
    return JSON.parse(line) as Greeting
  }

  /** Sends text and waits for its echo. */
  async say(text: string): Promise<void> {
    this.#socket.write(text)
    await waitFor(`the echo of "${text}"`, () => this.#heard.endsWith(text))
  }

  /** How it ended, once it has. */
  ended(): Promise<string> {
    return waitFor('the connection to end', () => this.#end)
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}

function cable(
  from: ScratchNetns,
  to: ScratchNetns,
  names: { readonly from: string; readonly to: string; readonly networks: readonly string[] },
): void {
  ip(
    'link',
    'add',
    names.from,
    'netns',
    from.name,
    'type',
    'veth',
    'peer',
    'name',
    names.to,
    'netns',
    to.name,
  )
  for (const network of names.networks) {
    const bits = network.includes(':') ? 64 : 24
    from.ip('address', 'add', `${network}1/${bits}`, 'dev', names.from)
    to.ip('address', 'add', `${network}2/${bits}`, 'dev', names.to)
  }
  from.ip('link', 'set', names.from, 'up')
  to.ip('link', 'set', names.to, 'up')
  for (const network of names.networks) to.ip('route', 'add', 'default', 'via', `${network}1`)
}
