/** Every frame but DATA, once it is complete: what its length may be, and what it says. Pure. */
import type { FrameHead } from './frame-head.ts'
import { FLAG, FRAME, H2_CODE, MAX_WINDOW } from './h2-constants.ts'
import { H2ConnectionError } from './hbone-error.ts'

export interface ControlSink {
  onSettings(values: readonly (readonly [id: number, value: number])[]): void
  onSettingsAck(): void
  onPing(payload: Uint8Array, isAck: boolean): void
  onRstStream(streamId: number, code: number): void
  onWindowUpdate(streamId: number, increment: number): void
  onGoaway(lastStreamId: number, code: number): void
  /** PRIORITY and unknown frames: nothing to do but to count them. */
  onIgnored(type: number): void
}

/** SETTINGS and GOAWAY of more bytes than this are nobody's need. */
const MAX_CONTROL_BYTES = 16384
const EXACT_BYTES: Readonly<Record<number, number>> = {
  [FRAME.priority]: 5,
  [FRAME.rstStream]: 4,
  [FRAME.ping]: 8,
  [FRAME.windowUpdate]: 4,
}

/**
 * Judges a control frame by its header alone, before a byte is allocated for it.
 *
 * @throws {H2ConnectionError} when its length or its stream is wrong.
 */
export function checkControlHead(head: FrameHead): void {
  const { length, type, streamId } = head
  if (!hasRightLength(head)) throw sizeError(head)
  if (type !== FRAME.headers && type !== FRAME.continuation && length > MAX_CONTROL_BYTES) {
    throw new H2ConnectionError(H2_CODE.enhanceYourCalm, `Frame type ${type} of ${length} bytes`)
  }
  const isOfConnection = type === FRAME.settings || type === FRAME.ping || type === FRAME.goaway
  if (type !== FRAME.windowUpdate && isOfConnection !== (streamId === 0)) {
    throw new H2ConnectionError(H2_CODE.protocolError, `Frame type ${type} on stream ${streamId}`)
  }
}

/**
 * Reads a complete control frame that is not part of a header block.
 *
 * @throws {H2ConnectionError} when it may not be there at all.
 */
export function readControlFrame(head: FrameHead, payload: Uint8Array<ArrayBuffer>, sink: ControlSink): void {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  switch (head.type) {
    case FRAME.settings:
      if (head.flags & FLAG.ack) return sink.onSettingsAck()
      return sink.onSettings(readSettings(view))
    case FRAME.ping:
      return sink.onPing(payload, (head.flags & FLAG.ack) !== 0)
    case FRAME.rstStream:
      return sink.onRstStream(head.streamId, view.getUint32(0))
    case FRAME.windowUpdate:
      return sink.onWindowUpdate(head.streamId, view.getUint32(0) & MAX_WINDOW)
    case FRAME.goaway:
      return sink.onGoaway(view.getUint32(0) & MAX_WINDOW, view.getUint32(4))
    case FRAME.priority:
      checkDependency(head.streamId, view.getUint32(0))
      return sink.onIgnored(head.type)
    default:
      throw new H2ConnectionError(H2_CODE.protocolError, 'PUSH_PROMISE from a peer that may not push')
  }
}

/**
 * The header block inside a HEADERS frame, without padding and priority.
 *
 * @throws {H2ConnectionError} when they do not fit.
 */
export function blockOfHeaders(head: FrameHead, payload: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let start = 0
  let end = payload.length
  if (head.flags & FLAG.padded) end -= payload[start++] ?? 0
  if (head.flags & FLAG.priority) {
    if (payload.length < start + 5) throw sizeError(head)
    checkDependency(head.streamId, new DataView(payload.buffer, payload.byteOffset).getUint32(start))
    start += 5
  }
  if (start > end) throw new H2ConnectionError(H2_CODE.protocolError, 'Padding longer than frame')
  return payload.subarray(start, end)
}

function hasRightLength({ type, flags, length }: FrameHead): boolean {
  if (type === FRAME.settings) return flags & FLAG.ack ? length === 0 : length % 6 === 0
  if (type === FRAME.goaway) return length >= 8
  const exact = EXACT_BYTES[type]
  return exact === undefined || length === exact
}

function readSettings(view: DataView): (readonly [number, number])[] {
  const values: (readonly [number, number])[] = []
  for (let at = 0; at < view.byteLength; at += 6) values.push([view.getUint16(at), view.getUint32(at + 2)])
  return values
}

function checkDependency(streamId: number, dependency: number): void {
  if ((dependency & MAX_WINDOW) === streamId)
    throw new H2ConnectionError(H2_CODE.protocolError, 'Stream depends on itself')
}

function sizeError(head: FrameHead): H2ConnectionError {
  return new H2ConnectionError(H2_CODE.frameSizeError, `Frame type ${head.type} of ${head.length} bytes`)
}
