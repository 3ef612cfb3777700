/**
 * Session and tunnels over socket pairs, driven by seeded chance: a peer that opens, sends, cuts, floods and mangles,
 * apps that read or do not, an owner that aborts and drains. Whatever happens: what is sent keeps to the protocol and to
 * the windows, an app gets exactly what it was sent, in order, and in the end nothing is left over.
 */
import { EventLoop } from '@ambient/event-loop'
import { Arena, closeDescriptor, Errno, errno, MSG_NOSIGNAL, SHUT_WR, sys } from '@ambient/linux'
import { openDescriptors } from '@ambient/testkit'
import { PlainTransport } from '@ambient/tls'
import { describe, expect, test } from 'vitest'
import { encodeFrame, goawayFrame, pingFrame, rstStreamFrame, settingsAckFrame, settingsFrame, windowUpdateFrame } from '../src/encode-frame.ts'
import { encodeHeaders } from '../src/encode-headers.ts'
import { FrameParser, type FrameSink } from '../src/frame-parser.ts'
import { FLAG, FRAME, PREFACE, SETTING } from '../src/h2-constants.ts'
import { connectFields, H2Session, hboneLimits, LoopBuffers, type Tunnel, type TunnelEnd } from '../src/index.ts'
import { seededRandom, type SeededRandom } from './seeded-random.ts'
import { socketPair } from './socket-pair.ts'

const MAX_STREAMS = 6

const limits = hboneLimits({
  stagingBytes: 65_536,
  streamWindow: 20_000,
  maxStreamWindow: 60_000,
  connectionWindow: 65_535,
  bufferedBeforeDebt: 30_000,
  maxStreams: MAX_STREAMS,
  maxFrameBytes: 16_384,
  lingerMs: 50,
  discardMs: 50,
})
const scratch = new Arena(65_536)

/** What the peer sends on a stream, and what an app sends, is a sequence known from its offset. */
function pattern(streamId: number, offset: number): number {
  return (offset * 7 + streamId * 31) & 0xff
}

/** Reads at most `most` bytes; `undefined` when there is nothing now, empty at the end. */
function readSome(fd: number, most: number): Uint8Array | undefined {
  const got = sys.read(fd, scratch.base, Math.min(most, scratch.bytes.length))
  if (got < 0) return errno() === Errno.EAGAIN ? undefined : new Uint8Array(0)
  return scratch.bytes.slice(0, got)
}

function writeSome(fd: number, bytes: Uint8Array): number {
  scratch.bytes.set(bytes)
  return Math.max(0, sys.send(fd, scratch.base, bytes.length, MSG_NOSIGNAL))
}

class App {
  readonly streamId: number
  readonly #checksBytes: boolean
  fd: number
  heard = 0
  said = 0
  hasFinished = false
  constructor(streamId: number, fd: number, isMangled: boolean) {
    this.#checksBytes = !isMangled
    this.streamId = streamId
    this.fd = fd
  }

  act(random: SeededRandom): void {
    if (this.fd < 0) return
    const choice = random.below(20)
    if (choice < 9) this.#hear(1 + random.below(30_000))
    else if (choice < 17) this.#say(1 + random.below(30_000))
    else if (choice < 19) this.finish()
    else this.close()
  }

  finish(): void {
    if (this.fd < 0 || this.hasFinished) return
    this.hasFinished = true
    sys.shutdown(this.fd, SHUT_WR)
  }

  close(): void {
    if (this.fd >= 0) closeDescriptor(this.fd)
    this.fd = -1
  }

  #hear(most: number): void {
    for (const byte of readSome(this.fd, most) ?? []) {
      if (this.#checksBytes && byte !== pattern(this.streamId, this.heard)) throw new Error(`stream ${this.streamId}: wrong byte at ${this.heard}`)
      this.heard++
    }
  }

  #say(most: number): void {
    if (this.hasFinished) return
    const bytes = Uint8Array.from({ length: most }, (_, i) => pattern(this.streamId, this.said + i))
    this.said += writeSome(this.fd, bytes)
  }
}

interface PeerStream {
  sent: number
  maySend: number
  received: number
  mayReceive: number
  endedByUs: boolean
  endedBySession: boolean
  /** With END_STREAM on DATA. */
  wasFinished: boolean
}

/** The other end: keeps its own books, and fails the test when the session breaks the rules. */
class Peer {
  readonly fd: number
  readonly streams = new Map<number, PeerStream>()
  /** What may go out later, cut anywhere. */
  out: Uint8Array = new Uint8Array(0)
  nextId = 1
  isMangled = false
  #mayReceive = 65_535
  #maySend = 65_535
  readonly #initialWindow: number
  readonly #role: 'client' | 'server'
  readonly #parser: FrameParser
  #input: Uint8Array = new Uint8Array(0)

  constructor(fd: number, role: 'client' | 'server', initialWindow: number) {
    this.fd = fd
    this.#role = role
    this.#initialWindow = initialWindow
    this.#parser = new FrameParser(role, this.#sink(), limits)
    if (role === 'client') this.queue(PREFACE)
    this.queue(settingsFrame([[SETTING.initialWindowSize, initialWindow]]))
  }

  queue(frame: Uint8Array): void {
    this.out = Buffer.concat([this.out, frame])
  }

  open(): void {
    const id = this.nextId
    this.nextId += 2
    this.#know(id)
    this.queue(encodeFrame(FRAME.headers, FLAG.endHeaders, id, encodeHeaders(connectFields('10.0.0.1:80'))))
  }

  answer(id: number, status: number): void {
    if (!this.streams.has(id)) return
    this.queue(encodeFrame(FRAME.headers, FLAG.endHeaders | (status === 200 ? 0 : FLAG.endStream), id, encodeHeaders([{ name: ':status', value: String(status) }])))
  }

  /** As far as the session's windows allow. */
  say(id: number, wanted: number, flags: number): void {
    const stream = this.streams.get(id)
    if (stream === undefined || stream.endedByUs) return
    const overhead = (flags & FLAG.padded) === 0 ? 0 : 10
    const length = Math.min(wanted, stream.maySend - overhead, this.#maySend - overhead)
    if (length < 0) return
    stream.maySend -= length + overhead
    this.#maySend -= length + overhead
    const bytes = Uint8Array.from({ length }, (_, i) => pattern(id, stream.sent + i))
    stream.sent += length
    stream.endedByUs = (flags & FLAG.endStream) !== 0
    if ((flags & FLAG.padded) === 0) return this.queue(encodeFrame(FRAME.data, flags, id, bytes))
    this.queue(encodeFrame(FRAME.data, flags, id, Buffer.concat([Uint8Array.of(9), bytes, new Uint8Array(9)])))
  }

  reset(id: number, code: number): void {
    const stream = this.streams.get(id)
    if (stream === undefined) return
    stream.endedByUs = true
    this.queue(rstStreamFrame(id, code))
  }

  allow(id: number, increment: number): void {
    const stream = this.streams.get(id)
    if (id === 0) this.#mayReceive += increment
    else if (stream !== undefined) stream.mayReceive += increment
    else return
    this.queue(windowUpdateFrame(id, increment))
  }

  send(most: number): void {
    const taken = writeSome(this.fd, this.out.subarray(0, Math.min(most, 60_000)))
    this.out = this.out.slice(taken)
  }

  /** @returns False at the end of the connection. */
  receive(most: number): boolean {
    const bytes = readSome(this.fd, most)
    if (bytes === undefined) return true
    this.#input = bytes
    this.#parser.feed(bytes, 0, bytes.length)
    return bytes.length > 0
  }

  #know(id: number): void {
    this.streams.set(id, { sent: 0, maySend: limits.streamWindow, received: 0, mayReceive: this.#initialWindow, endedByUs: false, endedBySession: false, wasFinished: false })
  }

  #sink(): FrameSink {
    // A peer that sends garbage cannot know what it asked for.
    const fail = (what: string): undefined => {
      if (!this.isMangled) throw new Error(`The session ${what}`)
      return undefined
    }
    return {
      onData: (id, start, end) => {
        const stream = this.streams.get(id) ?? fail(`sent DATA on stream ${id}, which nobody opened`)
        if (stream === undefined) return
        if (stream.endedBySession) fail(`sent DATA on stream ${id} after it had ended it`)
        for (let at = start; at < end; at++) {
          if (this.#input[at] !== pattern(id, stream.received)) fail(`sent a wrong byte on stream ${id}`)
          stream.received++
        }
        stream.mayReceive -= end - start
        this.#mayReceive -= end - start
        if (stream.mayReceive < 0) fail(`sent more than stream ${id} allows`)
        if (this.#mayReceive < 0) fail('sent more than the connection allows')
      },
      onDataEnd: (id, _payload, _padding, flags) => {
        const stream = this.streams.get(id)
        if (stream === undefined || (flags & FLAG.endStream) === 0) return
        stream.endedBySession = true
        stream.wasFinished = true
      },
      onHeaders: (id, _block, endStream) => {
        if (this.#role === 'server' && !this.streams.has(id)) this.#know(id)
        const stream = this.streams.get(id) ?? fail(`answered stream ${id}, which nobody opened`)
        if (endStream && stream !== undefined) stream.endedBySession = true
      },
      onSettings: () => this.queue(settingsAckFrame()),
      onSettingsAck: () => {},
      onPing: (payload, isAck) => {
        if (!isAck) this.queue(pingFrame(payload, FLAG.ack))
      },
      onRstStream: (id) => {
        const stream = this.streams.get(id)
        if (stream !== undefined) stream.endedBySession = true
      },
      onWindowUpdate: (id, increment) => {
        const stream = this.streams.get(id)
        if (id === 0) this.#maySend += increment
        else if (stream !== undefined) stream.maySend += increment
      },
      onGoaway: () => {},
      onIgnored: (type) => fail(`sent frame type ${type}`),
    }
  }
}

interface Run {
  readonly loop: EventLoop
  readonly random: SeededRandom
  readonly session: H2Session
  readonly peer: Peer
  readonly apps: App[]
  readonly ends: Map<Tunnel, TunnelEnd[]>
  readonly waiting: Tunnel[]
}

function begin(role: 'client' | 'server', loop: EventLoop, buffers: LoopBuffers, random: SeededRandom): Run {
  const [ours, theirs] = socketPair()
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
    const [ours, theirs] = socketPair()
    const tunnel = session.open(ours, connectFields('10.0.0.1:80'), { isWaypoint: random.below(2) === 0 })
    watch(tunnel, ends)
    apps.push(new App(tunnel.id, theirs, peer.isMangled))
    return
  }
  const tunnel = waiting.shift()
  if (tunnel === undefined) return
  if (random.below(6) === 0) return session.answer(tunnel, 503)
  const [ours, theirs] = socketPair()
  apps.push(new App(tunnel.id, theirs, peer.isMangled))
  tunnel.attach(ours, random.below(2) === 0 ? 'connected' : 'connecting')
  session.answer(tunnel, 200)
}

function peerActs({ peer, random, session }: Run): void {
  const ids = [...peer.streams.keys()]
  const id = ids[random.below(Math.max(1, ids.length))] ?? 1
  const choice = random.below(100)
  if (choice < 15) {
    if (session.role === 'server') peer.open()
    else peer.answer(id, random.below(8) === 0 ? 403 : 200)
  } else if (choice < 55) peer.say(id, random.below(4000), flagsOf(random))
  else if (choice < 75) peer.allow(random.below(2) === 0 ? 0 : id, 1 + random.below(40_000))
  else if (choice < 80) peer.reset(id, [0, 7, 8, 10][random.below(4)] ?? 8)
  else if (choice < 84) peer.queue(pingFrame(random.bytes(8)))
  else if (choice < 85 && random.below(4) === 0) peer.queue(goawayFrame(id, 0))
  else if (choice < 86 && peer.isMangled) peer.queue(random.bytes(1 + random.below(30)))
  else if (choice < 88 && peer.isMangled && peer.out.length > 0) peer.out[random.below(peer.out.length)] = random.below(256)
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

function play(role: 'client' | 'server', seed: number, shared: { loop: EventLoop; buffers: LoopBuffers }): Run {
  const random = seededRandom(seed)
  const run = begin(role, shared.loop, shared.buffers, random)
  run.peer.isMangled = seed % 3 === 0
  for (let i = 20 + random.below(60); i > 0; i--) step(run)
  if (!run.peer.isMangled) finish(run)
  run.session.close('the run is over')
  closeDescriptor(run.peer.fd)
  for (const tunnel of run.waiting) if (!tunnel.isClosed) throw new Error('A waiting tunnel outlived its session')
  for (const app of run.apps) app.close()
  return run
}

describe('H2Session and Tunnel', () => {
  test.each(['server', 'client'] as const)('keep every promise over 200 random conversations, as %s', { timeout: 60_000 }, (role) => {
    const faults: unknown[] = []
    const shared = { loop: new EventLoop({ onFault: (_owner, cause) => void faults.push(cause) }), buffers: new LoopBuffers(limits) }
    const before = openDescriptors().size
    const kinds = new Map<string, number>()
    const count = (kind: string): void => void kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    let carried = 0
    for (let seed = 1; seed <= 200; seed++) {
      const run = guard(seed, () => play(role, seed, shared))
      // Apps that outlive their stream are still served; the loop ends them.
      for (let i = 0; i < 100 && [...run.ends.keys()].some((tunnel) => !tunnel.isClosed); i++) shared.loop.turn(10)
      guard(seed, () => expectNothingLeft(run))
      const { state } = run.session
      count(`session ${state.kind === 'closed' ? state.end.kind : state.kind}`)
      for (const [tunnel, [end]] of run.ends) {
        carried += tunnel.bytesUp + tunnel.bytesDown
        count(`tunnel ${end?.kind}`)
      }
    }
    for (let i = 0; i < 30 && shared.loop.sourceCount > 0; i++) shared.loop.turn(10)
    expect(shared.loop.sourceCount).toBe(0)
    expect(openDescriptors().size).toBe(before)
    expect(faults).toEqual([])
    // The chance must not have missed the point.
    expect(carried).toBeGreaterThan(10_000_000)
    for (const kind of ['session closed', 'session drained', 'session protocol-error', 'tunnel completed', 'tunnel peer-reset', 'tunnel local-reset', 'tunnel aborted']) {
      expect(kinds.get(kind) ?? 0, kind).toBeGreaterThan(5)
    }
    shared.loop[Symbol.dispose]()
  })
})

function expectNothingLeft({ session, ends, apps, peer }: Run): void {
  const { state, credit } = session
  if (state.kind !== 'closed') throw new Error(`the session is ${state.kind}`)
  if (session.tunnels.size > 0) throw new Error('tunnels are left over')
  for (const told of ends.values()) if (told.length !== 1) throw new Error(`a tunnel ended ${told.length} times`)
  for (const app of apps) {
    const stream = peer.streams.get(app.streamId)
    if (stream?.wasFinished !== true || peer.isMangled || stream.received === app.said) continue
    throw new Error(`stream ${app.streamId} was finished after ${stream.received} of ${app.said} bytes`)
  }
  if (credit.keptBytes !== 0) throw new Error(`${credit.keptBytes} bytes are kept`)
  // A connection that broke the protocol may have died in the middle of a frame.
  if (state.end.kind !== 'protocol-error' && credit.outstandingBytes !== 0) {
    throw new Error(`credit of ${credit.outstandingBytes} bytes is lost`)
  }
}

function guard<T>(seed: number, body: () => T): T {
  try {
    return body()
  } catch (cause) {
    throw new Error(`Seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
