/** The two ends of a random conversation: an app that knows what it should hear, and a peer that keeps its own books. */
import { Arena, closeDescriptor, Errno, errno, MSG_NOSIGNAL, SHUT_WR, sys } from '@ambient/linux'
import {
  encodeFrame,
  pingFrame,
  rstStreamFrame,
  settingsAckFrame,
  settingsFrame,
  windowUpdateFrame,
} from '../src/encode-frame.ts'
import { encodeHeaders } from '../src/encode-headers.ts'
import { FrameParser, type FrameSink } from '../src/frame-parser.ts'
import { FLAG, FRAME, PREFACE, SETTING } from '../src/h2-constants.ts'
import { connectFields, hboneLimits, type HboneLimits } from '../src/index.ts'
import type { SeededRandom } from './seeded-random.ts'

export const MAX_STREAMS = 6

export const limits: HboneLimits = hboneLimits({
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

export class App {
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
      if (this.#checksBytes && byte !== pattern(this.streamId, this.heard))
        throw new Error(`stream ${this.streamId}: wrong byte at ${this.heard}`)
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
export class Peer {
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
  readonly #answered = new Set<number>()
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

  /** As a server: whether anything has been answered on the stream. */
  hasAnswered(id: number): boolean {
    return this.#answered.has(id)
  }

  answer(id: number, status: number): void {
    if (!this.streams.has(id)) return
    this.#answered.add(id)
    this.queue(
      encodeFrame(
        FRAME.headers,
        FLAG.endHeaders | (status === 200 ? 0 : FLAG.endStream),
        id,
        encodeHeaders([{ name: ':status', value: String(status) }]),
      ),
    )
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
    this.queue(
      encodeFrame(FRAME.data, flags, id, Buffer.concat([Uint8Array.of(9), bytes, new Uint8Array(9)])),
    )
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
    this.streams.set(id, {
      sent: 0,
      maySend: limits.streamWindow,
      received: 0,
      mayReceive: this.#initialWindow,
      endedByUs: false,
      endedBySession: false,
      wasFinished: false,
    })
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
