import { blockOfHeaders, checkControlHead, readControlFrame, type ControlSink } from './control-frame.ts'
import { readFrameHead, type FrameHead } from './frame-head.ts'
import { FLAG, FRAME, H2_CODE, HEADER_BYTES, PREFACE } from './h2-constants.ts'
import { H2ConnectionError } from './hbone-error.ts'
import { checkBlockBytes, HeaderBlock, type HeaderBlockLimits } from './header-block.ts'

export interface FrameSink extends ControlSink {
  /** A piece of DATA payload at [start, end) of the bytes being fed; valid during the call only. */
  onData(streamId: number, start: number, end: number): void
  /**
   * The DATA frame is complete.
   *
   * @param paddingBytes Counts against the windows, the padding's length byte included, but was never handed over.
   */
  onDataEnd(streamId: number, payloadBytes: number, paddingBytes: number, flags: number): void
  onHeaders(streamId: number, block: Uint8Array<ArrayBuffer>, endStream: boolean): void
}

export interface ParserLimits extends HeaderBlockLimits {
  readonly maxFrameBytes: number
}

type ParserState = 'preface' | 'head' | 'data-padding' | 'data' | 'control' | 'skip'

const NOTHING = new Uint8Array(0)

/** HTTP/2 frames pushed in as bytes, however cut; DATA payload is never copied but handed out as offsets. */
export class FrameParser {
  readonly #sink: FrameSink
  readonly #limits: ParserLimits
  #state: ParserState
  #prefaceSeen = 0
  #sawSettings = false
  readonly #headBytes = new Uint8Array(HEADER_BYTES)
  #headSeen = 0
  readonly #head = { length: 0, type: 0, flags: 0, streamId: 0 } satisfies FrameHead
  #left = 0
  #padding = 0
  #payloadSeen = 0
  #control: Uint8Array<ArrayBuffer> = NOTHING
  #block: HeaderBlock | undefined

  constructor(role: 'client' | 'server', sink: FrameSink, limits: ParserLimits) {
    this.#sink = sink
    this.#limits = limits
    this.#state = role === 'server' ? 'preface' : 'head'
  }

  /** @throws {H2ConnectionError} on any violation that ends the connection; the parser is of no use afterwards. */
  feed(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end;) at = this.#step(bytes, at, end)
  }

  /** Consumes at least one byte and returns where it stopped. */
  #step(bytes: Uint8Array, at: number, end: number): number {
    switch (this.#state) {
      case 'data':
        return this.#readData(at, end)
      case 'head':
        return this.#readHead(bytes, at, end)
      case 'control':
        return this.#readControl(bytes, at, end)
      case 'data-padding':
        return this.#readPadding(bytes[at] ?? 0, at)
      case 'skip':
        return this.#skip(at, end)
      case 'preface':
        return this.#readPreface(bytes, at, end)
    }
  }

  #readPreface(bytes: Uint8Array, from: number, end: number): number {
    let at = from
    while (at < end && this.#prefaceSeen < PREFACE.length) {
      if (bytes[at++] !== PREFACE[this.#prefaceSeen++]) {
        throw new H2ConnectionError(H2_CODE.protocolError, 'Not an HTTP/2 connection preface')
      }
    }
    if (this.#prefaceSeen === PREFACE.length) this.#state = 'head'
    return at
  }

  #readHead(bytes: Uint8Array, from: number, end: number): number {
    if (this.#headSeen === 0 && end - from >= HEADER_BYTES) {
      this.#beginFrame(bytes, from)
      return from + HEADER_BYTES
    }
    const take = Math.min(end - from, HEADER_BYTES - this.#headSeen)
    this.#headBytes.set(bytes.subarray(from, from + take), this.#headSeen)
    this.#headSeen += take
    if (this.#headSeen === HEADER_BYTES) {
      this.#headSeen = 0
      this.#beginFrame(this.#headBytes, 0)
    }
    return from + take
  }

  #beginFrame(bytes: Uint8Array, at: number): void {
    const head = this.#head
    readFrameHead(bytes, at, head)
    this.#checkOrder(head)
    this.#left = head.length
    if (head.type === FRAME.data) this.#beginData(head)
    else if (head.type > FRAME.continuation) this.#beginIgnored(head)
    else this.#beginControl(head)
  }

  #checkOrder(head: FrameHead): void {
    if (head.length > this.#limits.maxFrameBytes) {
      throw new H2ConnectionError(H2_CODE.frameSizeError, `Frame of ${head.length} bytes`)
    }
    if (!this.#sawSettings) {
      if (head.type !== FRAME.settings || head.flags & FLAG.ack) {
        throw new H2ConnectionError(H2_CODE.protocolError, 'First frame is not SETTINGS')
      }
      this.#sawSettings = true
    }
    const block = this.#block
    if (block !== undefined && (head.type !== FRAME.continuation || head.streamId !== block.streamId)) {
      throw new H2ConnectionError(H2_CODE.protocolError, 'Header block interrupted')
    }
  }

  #beginData(head: FrameHead): void {
    if (head.streamId === 0) throw new H2ConnectionError(H2_CODE.protocolError, 'DATA on stream 0')
    this.#padding = 0
    this.#payloadSeen = 0
    if (head.flags & FLAG.padded) {
      if (head.length === 0) throw new H2ConnectionError(H2_CODE.frameSizeError, 'Padded DATA without length')
      this.#state = 'data-padding'
    } else if (head.length === 0) this.#endData()
    else this.#state = 'data'
  }

  #readPadding(padding: number, at: number): number {
    this.#padding = padding
    this.#left--
    if (padding > this.#left) throw new H2ConnectionError(H2_CODE.protocolError, 'Padding longer than frame')
    this.#state = 'data'
    if (this.#left === 0) this.#endData()
    return at + 1
  }

  #readData(from: number, end: number): number {
    const take = Math.min(this.#left, end - from)
    const payload = Math.min(take, this.#left - this.#padding)
    if (payload > 0) {
      this.#payloadSeen += payload
      this.#sink.onData(this.#head.streamId, from, from + payload)
    }
    this.#left -= take
    // Padding is the tail: once only padding is left, it is counted down without being looked at.
    if (this.#left < this.#padding) this.#padding = this.#left
    if (this.#left === 0) this.#endData()
    return from + take
  }

  #endData(): void {
    this.#state = 'head'
    const { streamId, length, flags } = this.#head
    this.#sink.onDataEnd(streamId, this.#payloadSeen, length - this.#payloadSeen, flags)
  }

  #beginIgnored(head: FrameHead): void {
    this.#state = head.length === 0 ? 'head' : 'skip'
    this.#sink.onIgnored(head.type)
  }

  #skip(from: number, end: number): number {
    const take = Math.min(this.#left, end - from)
    this.#left -= take
    if (this.#left === 0) this.#state = 'head'
    return from + take
  }

  #beginControl(head: FrameHead): void {
    checkControlHead(head)
    if (head.type === FRAME.headers) checkBlockBytes(head.length, this.#limits)
    if (head.type === FRAME.continuation) this.#openBlock().expect(head.length)
    this.#control = head.length === 0 ? NOTHING : new Uint8Array(head.length)
    this.#state = 'control'
    if (head.length === 0) this.#endControl()
  }

  #readControl(bytes: Uint8Array, from: number, end: number): number {
    const take = Math.min(this.#left, end - from)
    this.#control.set(bytes.subarray(from, from + take), this.#control.length - this.#left)
    this.#left -= take
    if (this.#left === 0) this.#endControl()
    return from + take
  }

  #endControl(): void {
    this.#state = 'head'
    const head = this.#head
    if (head.type === FRAME.headers) return this.#endHeaders(blockOfHeaders(head, this.#control))
    if (head.type === FRAME.continuation) return this.#endContinuation()
    readControlFrame(head, this.#control, this.#sink)
  }

  #endHeaders(part: Uint8Array<ArrayBuffer>): void {
    const { flags, streamId } = this.#head
    const endStream = (flags & FLAG.endStream) !== 0
    if (flags & FLAG.endHeaders) return this.#sink.onHeaders(streamId, part, endStream)
    this.#block = new HeaderBlock(streamId, endStream, part, this.#limits)
  }

  #endContinuation(): void {
    const block = this.#openBlock()
    block.append(this.#control)
    if ((this.#head.flags & FLAG.endHeaders) === 0) return
    this.#block = undefined
    this.#sink.onHeaders(block.streamId, block.join(), block.endStream)
  }

  #openBlock(): HeaderBlock {
    if (this.#block !== undefined) return this.#block
    throw new H2ConnectionError(H2_CODE.protocolError, 'CONTINUATION without HEADERS')
  }
}
