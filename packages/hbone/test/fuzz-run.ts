/** One random conversation, from its seed. */
import type { EventLoop } from '@ambient/event-loop'
import { closeDescriptor, streamPair } from '@ambient/linux'
import { PlainTransport } from '@ambient/tls'
import { goawayFrame, pingFrame } from '../src/encode-frame.ts'
import { FLAG } from '../src/h2-constants.ts'
import { connectFields, H2Session, type LoopBuffers, type Tunnel, type TunnelEnd } from '../src/index.ts'
import { App, limits, MAX_STREAMS, Peer } from './fuzz-peer.ts'
import { seededRandom, type SeededRandom } from './seeded-random.ts'

export interface Run {
  readonly loop: EventLoop
  readonly random: SeededRandom
  readonly session: H2Session
  readonly peer: Peer
  readonly apps: App[]
  readonly ends: Map<Tunnel, TunnelEnd[]>
  readonly waiting: Tunnel[]
}

function begin(role: 'client' | 'server', loop: EventLoop, buffers: LoopBuffers, random: SeededRandom): Run {
  const [ours, theirs] = streamPair()
  const apps: App[] = []
  const ends = new Map<Tunnel, TunnelEnd[]>()
  const waiting: Tunnel[] = []
  const session: H2Session = new H2Session(ours, new PlainTransport(ours), role, {
    loop,
    limits,
    buffers,
    onRequest: (tunnel) => {
      watch(tunnel, ends)
      waiting.push(tunnel)
    },
  })
  const initialWindow = [65_535, 1, 1000, 200_000][random.below(4)] ?? 65_535
  const peer = new Peer(theirs, role === 'client' ? 'server' : 'client', initialWindow)
  return { loop, random, session, peer, apps, ends, waiting }
}

function watch(tunnel: Tunnel, ends: Map<Tunnel, TunnelEnd[]>): void {
  ends.set(tunnel, [])
  tunnel.onEnd = (end) => {
    ends.get(tunnel)?.push(end)
    if (end.kind === 'untouched') closeDescriptor(end.fd)
  }
}

/** The owner decides about one request, or (a client) opens a tunnel. */
function decide({ session, random, waiting, apps, ends, peer }: Run): void {
  if (session.role === 'client') {
    if (!session.hasRoom || session.tunnels.size >= MAX_STREAMS) return
    const [ours, theirs] = streamPair()
    const tunnel = session.open(ours, connectFields('10.0.0.1:80'), { isWaypoint: random.below(2) === 0 })
    watch(tunnel, ends)
    apps.push(new App(tunnel.id, theirs, peer.isMangled))
    return
  }
  const tunnel = waiting.shift()
  if (tunnel === undefined) return
  if (random.below(6) === 0) return session.answer(tunnel, 503)
  const [ours, theirs] = streamPair()
  apps.push(new App(tunnel.id, theirs, peer.isMangled))
  tunnel.attach(ours, random.below(2) === 0 ? 'connected' : 'connecting')
  session.answer(tunnel, 200)
}

interface PeerAct {
  readonly weight: number
  readonly act: (run: Run, streamId: number) => void
}

const PEER_ACTS: readonly PeerAct[] = [
  { weight: 15, act: openOrAnswer },
  { weight: 40, act: say },
  {
    weight: 20,
    act: ({ peer, random }, id) => peer.allow(random.below(2) === 0 ? 0 : id, 1 + random.below(40_000)),
  },
  { weight: 5, act: ({ peer, random }, id) => peer.reset(id, [0, 7, 8, 10][random.below(4)] ?? 8) },
  { weight: 4, act: ({ peer, random }) => peer.queue(pingFrame(random.bytes(8))) },
  {
    weight: 1,
    act: ({ peer, random }, id) => (random.below(4) === 0 ? peer.queue(goawayFrame(id, 0)) : undefined),
  },
  { weight: 3, act: mangle },
  { weight: 12, act: () => {} },
]
const TOTAL_WEIGHT = PEER_ACTS.reduce((sum, { weight }) => sum + weight, 0)

function peerActs(run: Run): void {
  const ids = [...run.peer.streams.keys()]
  const id = ids[run.random.below(Math.max(1, ids.length))] ?? 1
  let choice = run.random.below(TOTAL_WEIGHT)
  for (const { weight, act } of PEER_ACTS) {
    choice -= weight
    if (choice < 0) return act(run, id)
  }
}

function openOrAnswer({ peer, random, session }: Run, streamId: number): void {
  if (session.role === 'server') peer.open()
  else peer.answer(streamId, random.below(8) === 0 ? 403 : 200)
}

/** A server that sends before it has answered breaks the protocol: now and then. */
function say(run: Run, streamId: number): void {
  const { peer, random, session } = run
  const isEarly = session.role === 'client' && !peer.hasAnswered(streamId)
  if (isEarly && random.below(20) > 0) openOrAnswer(run, streamId)
  else peer.say(streamId, random.below(4000), flagsOf(random))
}

/** Bytes that are no frame, or a frame with a wrong byte. */
function mangle({ peer, random }: Run): void {
  if (!peer.isMangled) return
  if (peer.out.length === 0) return peer.queue(random.bytes(1 + random.below(30)))
  peer.out[random.below(peer.out.length)] = random.below(256)
}

function flagsOf(random: SeededRandom): number {
  return (random.below(12) === 0 ? FLAG.endStream : 0) | (random.below(5) === 0 ? FLAG.padded : 0)
}

function ownerActs({ session, random, ends }: Run): void {
  const choice = random.below(200)
  const tunnels = [...ends.keys()]
  if (choice === 0) session.drain()
  if (choice === 1) tunnels[random.below(tunnels.length)]?.abort('policy changed')
}

function step(run: Run): void {
  const { random, peer, apps, loop } = run
  if (random.below(3) === 0) decide(run)
  for (let i = random.below(4); i >= 0; i--) peerActs(run)
  peer.send(1 + random.below(30_000))
  loop.turn(0)
  for (const app of apps) app.act(random)
  if (random.below(4) > 0) peer.receive(1 + random.below(40_000))
  ownerActs(run)
  loop.turn(0)
}

/** Lets everybody finish: the peer sends and reads all, every app reads to its end and hangs up. */
function finish(run: Run): void {
  const { peer, apps, loop, session, waiting } = run
  while (waiting.length > 0) decide(run)
  for (let round = 0; round < 40; round++) {
    peer.allow(0, 60_000)
    for (const id of peer.streams.keys()) peer.allow(id, 60_000)
    peer.send(60_000)
    for (const app of apps) app.finish()
    loop.turn(0)
    if (!session.isClosed) peer.receive(65_536)
  }
}

export function play(
  role: 'client' | 'server',
  seed: number,
  shared: { loop: EventLoop; buffers: LoopBuffers },
): Run {
  const random = seededRandom(seed)
  const run = begin(role, shared.loop, shared.buffers, random)
  run.peer.isMangled = seed % 3 === 0
  for (let i = 20 + random.below(60); i > 0; i--) step(run)
  if (!run.peer.isMangled) finish(run)
  run.session.close('the run is over')
  closeDescriptor(run.peer.fd)
  for (const tunnel of run.waiting)
    if (!tunnel.isClosed) throw new Error('A waiting tunnel outlived its session')
  for (const app of run.apps) app.close()
  return run
}
