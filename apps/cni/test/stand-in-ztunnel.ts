/**
 * A ztunnel for tests: speaks ZDS, listens in each pod, and relays what arrives: outbound to where it was going, inbound with the
 * client's own address. No mesh, no TLS. Prints one JSON line an event. Arguments: SOCKET [refuse]
 */
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { EventLoop } from '@ambient/event-loop'
import {
  acceptOn,
  bindSource,
  closeDescriptor,
  listenOn,
  MESH_MARK,
  NetworkNamespace,
  originalDestination,
  peerAddress,
  startConnect,
  tcpSocket,
} from '@ambient/linux'
import { ZdsClient } from '@ambient/zds'

interface PodProxy {
  readonly netns: NetworkNamespace
  readonly listeners: readonly { readonly fd: number; readonly port: number }[]
  readonly sockets: Set<Socket>
}

const [socketPath = '', mode = ''] = process.argv.slice(2)
const pods = new Map<string, PodProxy>()
const named = new Set<string>()
const loop = new EventLoop()
const say = (event: Readonly<Record<string, unknown>>): void =>
  void process.stdout.write(`${JSON.stringify(event)}\n`)

const agent = new ZdsClient(loop, {
  path: socketPath,
  onConnected: () => {
    named.clear()
    say({ kind: 'connected' })
  },
  onDisconnected: (reason) => say({ kind: 'disconnected', reason }),
  onProtocolError: (reason) => {
    say({ kind: 'protocol-error', reason })
    process.exitCode = 1
  },
  onRequest: (request, ack) => {
    say(request.kind === 'snapshot-sent' ? { kind: request.kind } : { kind: request.kind, uid: request.uid })
    if (request.kind === 'add') {
      named.add(request.uid)
      if (mode === 'refuse') {
        closeDescriptor(request.netns)
        return ack('no room for it')
      }
      add(request.uid, request.netns)
    }
    if (request.kind === 'keep') named.add(request.uid)
    if (request.kind === 'del') remove(request.uid)
    if (request.kind === 'snapshot-sent') for (const uid of [...pods.keys()]) if (!named.has(uid)) remove(uid)
    ack()
  },
})
while (agent.isConnected || process.exitCode === undefined) {
  for (let turns = 0; turns < 8; turns++) loop.turn(0)
  for (const pod of pods.values()) acceptAll(pod)
  await sleep(2)
}

function add(uid: string, fd: number): void {
  const netns = NetworkNamespace.fromDescriptor(fd)
  const known = pods.get(uid)
  if (known !== undefined && known.netns.id().inode === netns.id().inode) return netns[Symbol.dispose]()
  remove(uid)
  const listeners = netns.enter(() =>
    [15_001, 15_006, 15_008].map((port) => ({
      port,
      fd: listenOn({ ip: '::', port }, { mark: MESH_MARK, transparent: true, reusePort: true }),
    })),
  )
  pods.set(uid, { netns, listeners, sockets: new Set() })
}

function remove(uid: string): void {
  const pod = pods.get(uid)
  if (pod === undefined) return
  pods.delete(uid)
  for (const { fd } of pod.listeners) closeDescriptor(fd)
  for (const socket of pod.sockets) socket.resetAndDestroy()
  pod.netns[Symbol.dispose]()
}

function acceptAll(pod: PodProxy): void {
  for (const { fd, port } of pod.listeners) {
    for (let result = acceptOn(fd); result.kind === 'accepted'; result = acceptOn(fd))
      void relay(pod, result.fd, port)
  }
}

async function relay(pod: PodProxy, accepted: number, port: number): Promise<void> {
  const to = originalDestination(accepted)
  const client = peerAddress(accepted)
  const dialled = pod.netns.enter(() => tcpSocket({ mark: MESH_MARK }))
  if (port === 15_006) bindSource(dialled, client.ip)
  startConnect(dialled, to)
  while (!isConnected(dialled)) await sleep(1)
  say({ kind: 'relay', port, from: client.ip, to: `${to.ip}:${to.port}` })
  const [downstream, upstream] = [new Socket({ fd: accepted }), new Socket({ fd: dialled })]
  for (const socket of [downstream, upstream]) {
    pod.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      pod.sockets.delete(socket)
      downstream.destroy()
      upstream.destroy()
    })
  }
  downstream.pipe(upstream).pipe(downstream)
}

function isConnected(fd: number): boolean {
  try {
    peerAddress(fd)
    return true
  } catch {
    return false
  }
}
