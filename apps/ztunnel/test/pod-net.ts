/** Pods as the CNI chain leaves them: network namespaces on one bridge, with the agent's redirect in those of the mesh. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { NetworkNamespace, openFile, startConnect, tcpSocket } from '@ambient/linux'
import { turnUntil } from '@ambient/testkit'
import { DATA_EVENTS, EPOLLERR, EPOLLOUT, type EventLoop } from '@ambient/event-loop'

export interface PodOptions {
  readonly name: string
  readonly ip: string
  /** Also reachable at these, as a virtual IP's endpoint or a second family would be. */
  readonly alsoAt?: readonly string[]
  /** Without it the pod is outside the mesh: nothing is redirected. */
  readonly redirected?: boolean
  /** Its DNS is redirected as well, of both families. */
  readonly dnsCaptured?: boolean
  /** Packets to this port vanish, as behind a NetworkPolicy. */
  readonly droppedPort?: number
}

const REDIRECT = `
iptables-restore <<'RULES'
*mangle
-A PREROUTING -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
-A OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
COMMIT
*nat
-A PREROUTING ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006
-A OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
-A OUTPUT ! -d 127.0.0.1/32 -o lo -j ACCEPT
-A OUTPUT ! -d 127.0.0.1/32 -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
RULES
ip rule add fwmark 0x111/0xfff pref 32764 lookup 100
ip route add local 0.0.0.0/0 dev lo table 100
`

const dnsRedirect = (program: string, loopback: string): string => `
${program}-restore --noflush <<'RULES'
*nat
-I OUTPUT ! -d ${loopback} -p tcp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053
-I OUTPUT ! -o lo -p udp --dport 53 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15053
COMMIT
*raw
-A PREROUTING -p udp --sport 53 -m mark ! --mark 0x539/0xfff -j CT --zone 1
-A OUTPUT -p udp --dport 53 -m mark --mark 0x539/0xfff -j CT --zone 1
COMMIT
RULES
`

/** One pod's namespace. Sockets made here are the app's own: unmarked, and so redirected. */
export class TestPod implements Disposable {
  readonly name: string
  readonly ip: string
  readonly netns: NetworkNamespace
  readonly #servers = new Set<net.Server>()
  readonly #sockets = new Set<net.Socket>()

  constructor(name: string, ip: string, netns: NetworkNamespace) {
    this.name = name
    this.ip = ip
    this.netns = netns
  }

  /** An app that listens on every address of the pod. */
  listen(port: number, onConnection: (socket: net.Socket) => void = echo): net.Server {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      this.#keep(socket)
      onConnection(socket)
    })
    // Without a host the socket is made within the call.
    this.netns.enter(() => server.listen(port))
    this.#servers.add(server)
    return server
  }

  /** An app that connects; resolves once its handshake is done, which in the mesh is with its own ztunnel. */
  async dial(loop: EventLoop, ip: string, port: number): Promise<net.Socket> {
    const fd = this.netns.enter(() => tcpSocket({ family: ip.includes(':') ? 'v6' : 'v4' }))
    const started = startConnect(fd, { ip, port })
    if (started.kind === 'failed') throw new Error(`Cannot dial ${ip}:${port}: errno ${started.errno}`)
    let seen = 0
    loop.add(fd, DATA_EVENTS, { onEvents: (events) => void (seen |= events), onFault: () => {} })
    await turnUntil(loop, `${this.name} to connect to ${ip}:${port}`, () => seen !== 0)
    loop.remove(fd)
    const socket = new net.Socket({ fd, allowHalfOpen: true })
    this.#keep(socket)
    if (seen & EPOLLERR || (seen & EPOLLOUT) === 0) socket.destroy(new Error('connection refused'))
    return socket
  }

  /** No app listens any more; what is connected stays. */
  closeServers(): void {
    for (const server of this.#servers) server.close()
    this.#servers.clear()
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy()
    this.closeServers()
    this.netns[Symbol.dispose]()
  }

  /** Where another process finds the namespace. */
  get path(): string {
    return pathOf(this.netns)
  }

  /** Runs a shell script inside. @returns What it printed. */
  run(script: string): Promise<string> {
    return runIn(this.path, script)
  }

  #keep(socket: net.Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }
}

/** Everything up to the other's FIN; throws when there is none. */
export async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(Buffer.from(part))
  return String(Buffer.concat(parts))
}

/** How a socket ended: `end` for a FIN, else the error's code. Everything it receives is read. */
export function outcomeOf(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('end', () => resolve('end'))
    socket.on('close', () => resolve('close'))
    socket.resume()
  })
}

export function echo(socket: net.Socket): void {
  socket.pipe(socket)
}

/** A bridge in a namespace of its own, and a pod for each of `pods` on it. */
export async function openPods<const Name extends string>(
  pods: readonly (PodOptions & { readonly name: Name })[],
): Promise<Readonly<Record<Name, TestPod>> & Disposable> {
  const bridge = await newNamespace()
  const made = await Promise.all(
    pods.map(async ({ name, ip }): Promise<[Name, TestPod]> => [
      name,
      new TestPod(name, ip, await newNamespace()),
    ]),
  )
  const links = made.map(
    ([, pod], i) => `ip link add p${i} type veth peer name eth0 netns ${pod.path}
ip link set p${i} master br0 up`,
  )
  await runIn(pathOf(bridge), `ip link add br0 type bridge\nip link set br0 up\n${links.join('\n')}`)
  await Promise.all(
    made.map(([, pod], i) => {
      const { alsoAt = [], redirected = false, dnsCaptured = false, droppedPort } = pods[i] ?? {}
      const drop = droppedPort === undefined ? '' : `iptables -A INPUT -p tcp --dport ${droppedPort} -j DROP`
      const dns = dnsRedirect('iptables', '127.0.0.1/32') + dnsRedirect('ip6tables', '::1/128')
      const addresses = [pod.ip, ...alsoAt].map(
        (ip) => `ip addr add ${ip}/${ip.includes(':') ? 64 : 16} dev eth0 ${ip.includes(':') ? 'nodad' : ''}`,
      )
      return pod.run(
        `ip link set lo up\nip link set eth0 up\n${addresses.join('\n')}\nip route add default dev eth0
${redirected ? REDIRECT : ''}${dnsCaptured ? dns : ''}${drop}`,
      )
    }),
  )
  return Object.assign(Object.fromEntries(made) as Record<Name, TestPod>, {
    [Symbol.dispose]: (): void => {
      for (const [, pod] of made) pod[Symbol.dispose]()
      bridge[Symbol.dispose]()
    },
  })
}

/** A process makes it; our descriptor keeps it when that process is gone. */
async function newNamespace(): Promise<NetworkNamespace> {
  const maker = spawn('unshare', ['--net', '--', 'sh', '-c', 'echo made; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(maker.stdout, 'data')
  const netns = NetworkNamespace.fromDescriptor(openFile(`/proc/${maker.pid}/ns/net`))
  maker.stdin.end()
  return netns
}

function pathOf(netns: NetworkNamespace): string {
  return `/proc/${process.pid}/fd/${netns.fd}`
}

async function runIn(netns: string, script: string): Promise<string> {
  const child = spawn('nsenter', [`--net=${netns}`, '--', 'sh', '-ec', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  let said = ''
  child.stdout.on('data', (text) => (printed += String(text)))
  child.stderr.on('data', (text) => (said += String(text)))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`Cannot run a script in a test pod: ${said.trim()}`)
  return printed
}
