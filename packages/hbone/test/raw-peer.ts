/** A peer that speaks HTTP/2 frame by frame, for what no library would send. */
import { once } from 'node:events'
import net from 'node:net'
import { encodeHeaders } from '../src/encode-headers.ts'
import { encodeFrame, settingsAckFrame, settingsFrame } from '../src/encode-frame.ts'
import { FrameParser, type FrameSink } from '../src/frame-parser.ts'
import { FLAG, FRAME, PREFACE } from '../src/h2-constants.ts'
import type { HeaderField } from '../src/header-field.ts'
import { HpackDecoder } from '../src/hpack-decoder.ts'
import { hboneLimits } from '../src/limits.ts'
import { bytesOf, portOf } from './sockets.ts'

export interface RawFrame {
  readonly kind:
    | 'data'
    | 'headers'
    | 'settings'
    | 'settings-ack'
    | 'ping'
    | 'ping-ack'
    | 'rst'
    | 'window'
    | 'goaway'
  readonly streamId: number
  /** A code, an increment, a status, a length. */
  readonly value: number
  readonly endStream: boolean
  readonly payload: Buffer
}

const NOTHING = Buffer.alloc(0)

export class RawPeer {
  readonly socket: net.Socket
  readonly frames: RawFrame[] = []
  /** `end`, or the code of the socket's error. */
  outcome: string | undefined
  /** How an arriving SETTINGS or PING is answered. */
  answersPings = true
  readonly #parser: FrameParser
  readonly #hpack = new HpackDecoder(hboneLimits())
  #chunk: Buffer = NOTHING
  #data: Buffer[] = []

  constructor(socket: net.Socket, role: 'client' | 'server') {
    this.socket = socket
    this.#parser = new FrameParser(role, this.#sink(), hboneLimits())
    socket.on('data', (chunk) => {
      this.#chunk = bytesOf(chunk)
      this.#parser.feed(this.#chunk, 0, this.#chunk.length)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => (this.outcome ??= error.code ?? error.message))
    socket.on('end', () => (this.outcome ??= 'end'))
    if (role === 'client') this.send(PREFACE)
  }

  static async connect(
    port: number,
    settings: readonly (readonly [number, number])[] = [],
  ): Promise<RawPeer> {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    await once(socket, 'connect')
    const peer = new RawPeer(socket, 'client')
    peer.send(settingsFrame(settings))
    return peer
  }

  send(...frames: Uint8Array[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames))
  }

  request(streamId: number, flags = 0, fields: readonly HeaderField[] = CONNECT): void {
    this.send(encodeFrame(FRAME.headers, FLAG.endHeaders | flags, streamId, encodeHeaders(fields)))
  }

  data(streamId: number, payload: Uint8Array, flags = 0): void {
    this.send(encodeFrame(FRAME.data, flags, streamId, payload))
  }

  of(kind: RawFrame['kind'], streamId?: number): RawFrame[] {
    return this.frames.filter(
      (frame) => frame.kind === kind && (streamId === undefined || frame.streamId === streamId),
    )
  }

  /** All DATA of a stream. */
  received(streamId: number): Buffer {
    return Buffer.concat(this.of('data', streamId).map((frame) => frame.payload))
  }

  statusOf(streamId: number): number | undefined {
    return this.of('headers', streamId)[0]?.value
  }

  #note(kind: RawFrame['kind'], streamId: number, value: number, more: Partial<RawFrame> = {}): void {
    this.frames.push({ kind, streamId, value, endStream: false, payload: NOTHING, ...more })
  }

  #sink(): FrameSink {
    return {
      onData: (_id, start, end) => void this.#data.push(Buffer.from(this.#chunk.subarray(start, end))),
      onDataEnd: (id, length, _padding, flags) => {
        this.#note('data', id, length, {
          endStream: (flags & FLAG.endStream) !== 0,
          payload: Buffer.concat(this.#data),
        })
        this.#data = []
      },
      onHeaders: (id, block, endStream) => {
        const { fields } = this.#hpack.decode(block)
        this.#note('headers', id, Number(fields.find((field) => field.name === ':status')?.value ?? 0), {
          endStream,
        })
      },
      onSettings: () => {
        this.#note('settings', 0, 0)
        this.send(settingsAckFrame())
      },
      onSettingsAck: () => this.#note('settings-ack', 0, 0),
      onPing: (payload, isAck) => {
        this.#note(isAck ? 'ping-ack' : 'ping', 0, 0, { payload: Buffer.from(payload) })
        if (!isAck && this.answersPings) this.send(encodeFrame(FRAME.ping, FLAG.ack, 0, payload))
      },
      onRstStream: (id, code) => this.#note('rst', id, code),
      onWindowUpdate: (id, increment) => this.#note('window', id, increment),
      onGoaway: (id, code) => this.#note('goaway', id, code),
      onIgnored: () => {},
    }
  }
}

/** A server of raw peers; the test says what each does. */
export async function listenRaw(
  onPeer: (peer: RawPeer) => void,
): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    onPeer(new RawPeer(socket, 'server'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

export const CONNECT: readonly HeaderField[] = [
  { name: ':method', value: 'CONNECT' },
  { name: ':authority', value: '10.0.0.1:80' },
]
