/**
 * A ztunnel for tests: speaks ZDS, listens in each pod, and relays what arrives: outbound to where it was going, inbound with the
 * client's own address. No mesh, no TLS. Prints one JSON line an event. Arguments: SOCKET [refuse]
 * On SIGUSR2 it closes its listeners and believes that it still has them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { EventLoop } from '@ambient/event-loop'
import { closeDescriptor, NetworkNamespace } from '@ambient/linux'
import { ZdsClient } from '@ambient/zds'
import { StandInProxy } from './stand-in-proxy.ts'

interface PodProxy {
  readonly netns: NetworkNamespace
  readonly proxy: StandInProxy
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
process.on('SIGUSR2', () => {
  for (const { proxy } of pods.values()) proxy.stopListening()
  say({ kind: 'deaf' })
})
while (agent.isConnected || process.exitCode === undefined) {
  for (let turns = 0; turns < 8; turns++) loop.turn(0)
  for (const { proxy } of pods.values()) proxy.acceptAll()
  await sleep(2)
}

function add(uid: string, fd: number): void {
  const netns = NetworkNamespace.fromDescriptor(fd)
  const known = pods.get(uid)
  if (known !== undefined && known.netns.id().inode === netns.id().inode) return netns[Symbol.dispose]()
  remove(uid)
  const proxy = new StandInProxy({
    netns,
    ports: [15_001, 15_006, 15_008],
    onCaught: ({ port, peer, original }) =>
      say({ kind: 'relay', port, from: peer.ip, to: `${original.ip}:${original.port}` }),
  })
  pods.set(uid, { netns, proxy })
}

function remove(uid: string): void {
  const pod = pods.get(uid)
  if (pod === undefined) return
  pods.delete(uid)
  pod.proxy[Symbol.dispose]()
  pod.netns[Symbol.dispose]()
}
