import { attachAsFilter, attachByLink, type RedirectProgram } from '@ambient/bpf'
import {
  acceptOn,
  Arena,
  closeDescriptor,
  errnoName,
  localAddress,
  listenOn,
  MAX_DATAGRAM_BYTES,
  MESH_MARK,
  NetworkNamespace,
  receiveDatagram,
  sendDatagram,
  type SocketAddress,
  startConnect,
  sys,
  tcpSocket,
  udpListen,
  udpSocket,
} from '@ambient/linux'
import { waitFor } from '@ambient/testkit'
import { inNamespace, POD, PROBE, SteeredPod } from './steered-pod.ts'

export const REMOTE = { v4: '10.1.1.2', v6: 'fd01::2' } as const
/** Somebody at the other end of the default route whom nobody has to be. */
export const ELSEWHERE = { v4: '10.9.9.9', v6: 'fd09::9' } as const
export type Family = keyof typeof POD
export type Way = 'links' | 'filters'

const HOOKS: readonly (readonly [RedirectProgram, 'lo' | 'eth0', 'ingress' | 'egress'])[] = [
  ['lo_ingress', 'lo', 'ingress'],
  ['lo_egress', 'lo', 'egress'],
  ['uplink_ingress', 'eth0', 'ingress'],
  ['uplink_egress', 'eth0', 'egress'],
]
/** The routes of a steered pod: all TCP and DNS that it begins is local, but for ztunnel's and the answers to probes. */
const RULES = [
  'pref 32000 fwmark 0x539/0xfff lookup main',
  'pref 32002 iif lo ipproto tcp lookup 100',
  'pref 32003 iif lo ipproto udp dport 53 lookup 100',
]
const SO_BINDTODEVICE = 25
const SOL_SOCKET = 1
const buffer = new Arena(MAX_DATAGRAM_BYTES)

/** A pod with the programs attached, a cable to another machine, and real sockets in both. */
export class SteeredNet implements Disposable {
  readonly pod: SteeredPod = new SteeredPod()
  readonly remote: NetworkNamespace = NetworkNamespace.create()
  readonly #open = new DisposableStack()
  readonly #mine = new Set<number>()

  constructor(way: Way) {
    this.#open.use(this.pod)
    this.#open.use(this.remote)
    const peer = `/proc/${process.pid}/fd/${this.remote.fd}`
    const cable = `ip link add eth0 type veth peer name eth0 netns ${peer}`
    shell(this.pod.netns, [cable, ...addresses(POD)])
    shell(this.remote, ['ip link set lo up', ...addresses(REMOTE)])
    shell(this.pod.netns, routes())
    const { netns, redirect } = this.pod
    const eth0 = Number(inNamespace(netns, 'ip', '-o', 'link', 'show', 'eth0').split(':')[0])
    for (const [name, device, direction] of HOOKS) {
      const at = { netns, device: device === 'lo' ? 1 : eth0, direction }
      const program = redirect.program(name)
      if (way === 'links') this.#open.use(attachByLink(program, at))
      else attachAsFilter(program, at, { handle: 1, priority: 1 })
    }
  }

  /** A listener that ends with this. */
  listen(where: NetworkNamespace, port: number, mark?: number): number {
    const transparent = mark !== undefined // ztunnel answers from addresses that are not the pod's
    return this.#own(where.enter(() => listenOn({ ip: '::', port }, { reusePort: true, mark, transparent })))
  }

  connect(
    from: NetworkNamespace,
    to: SocketAddress,
    { device, mark }: { readonly device?: string; readonly mark?: number } = {},
  ): number {
    const fd = this.#own(from.enter(() => tcpSocket({ family: to.ip.includes(':') ? 'v6' : 'v4', mark })))
    if (device !== undefined) {
      buffer.bytes.set(Buffer.from(`${device}\0`))
      if (sys.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, buffer.base, device.length + 1) !== 0)
        throw new Error('Cannot bind to a device')
    }
    const result = startConnect(fd, to)
    if (result.kind === 'failed') throw new Error(`Cannot connect: ${errnoName(result.errno)}`)
    return fd
  }

  /** The next connection that comes to a listener: where it was going, and from where. */
  async accepted(listener: number): Promise<{ to: SocketAddress; from: SocketAddress; fd: number }> {
    const { fd, peer } = await waitFor('a connection', () => {
      const result = acceptOn(listener)
      return result.kind === 'accepted' && result
    })
    this.#own(fd)
    return { to: localAddress(fd), from: peer, fd }
  }

  dnsListener(family: Family): number {
    const ip = family === 'v4' ? '127.0.0.1' : '::1'
    return this.#own(this.pod.netns.enter(() => udpListen({ ip, port: 15_053 }, { mark: MESH_MARK })))
  }

  datagramSocket(family: Family): number {
    return this.#own(this.pod.netns.enter(() => udpSocket({ family })))
  }

  send(fd: number, bytes: readonly number[], to: SocketAddress): void {
    buffer.bytes.set(bytes)
    const result = sendDatagram(fd, buffer, bytes.length, to)
    if (result.kind !== 'sent') throw new Error(`Cannot send: ${JSON.stringify(result)}`)
  }

  async receive(fd: number): Promise<{ readonly bytes: readonly number[]; readonly from: SocketAddress }> {
    const { length, peer } = await waitFor('a datagram', () => {
      const result = receiveDatagram(fd, buffer)
      return result.kind === 'received' && result
    })
    return { bytes: [...buffer.bytes.subarray(0, length)], from: peer }
  }

  /** What somebody with the right to may do in a pod. */
  flushRules(): void {
    shell(this.pod.netns, rules('del'))
  }

  close(fd: number): void {
    closeDescriptor(fd)
    this.#mine.delete(fd)
  }

  [Symbol.dispose](): void {
    for (const fd of this.#mine) closeDescriptor(fd)
    this.#open[Symbol.dispose]()
  }

  #own(fd: number): number {
    this.#mine.add(fd)
    return fd
  }
}

function shell(netns: NetworkNamespace, lines: readonly string[]): void {
  inNamespace(netns, 'sh', '-ec', lines.join('\n'))
}

function addresses({ v4, v6 }: { readonly v4: string; readonly v6: string }): readonly string[] {
  return [`ip address add ${v4}/24 dev eth0`, `ip address add ${v6}/64 dev eth0 nodad`, 'ip link set eth0 up']
}

function rules(verb: 'add' | 'del'): readonly string[] {
  return ['-4', '-6'].flatMap((family) => RULES.map((rule) => `ip ${family} rule ${verb} ${rule}`))
}

function routes(): readonly string[] {
  const families = [
    ['-4', 'v4'],
    ['-6', 'v6'],
  ] as const
  return [
    ...families.flatMap(([flag, family]) => [
      `ip ${flag} route add default via ${REMOTE[family]} dev eth0`,
      `ip ${flag} route add local default dev eth0 src ${POD[family]} table 100`,
      `ip ${flag} rule add pref 32001 to ${PROBE[family]} lookup main`,
    ]),
    ...rules('add'),
  ]
}
