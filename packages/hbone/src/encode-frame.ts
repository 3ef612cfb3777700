import { putFrameHead } from './frame-head.ts'
import { FLAG, FRAME, HEADER_BYTES } from './h2-constants.ts'

const NOTHING = new Uint8Array(0)

/** A whole frame as its own bytes. */
export function encodeFrame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = NOTHING,
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length)
  putFrameHead(bytes, 0, { length: payload.length, type, flags, streamId })
  bytes.set(payload, HEADER_BYTES)
  return bytes
}

export function windowUpdateFrame(streamId: number, increment: number): Uint8Array {
  return encodeFrame(FRAME.windowUpdate, 0, streamId, word(increment))
}

export function rstStreamFrame(streamId: number, code: number): Uint8Array {
  return encodeFrame(FRAME.rstStream, 0, streamId, word(code))
}

export function goawayFrame(lastStreamId: number, code: number): Uint8Array {
  const payload = new Uint8Array(8)
  payload.set(word(lastStreamId))
  payload.set(word(code), 4)
  return encodeFrame(FRAME.goaway, 0, 0, payload)
}

export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Uint8Array {
  const payload = new Uint8Array(settings.length * 6)
  const view = new DataView(payload.buffer)
  settings.forEach(([id, value], i) => {
    view.setUint16(i * 6, id)
    view.setUint32(i * 6 + 2, value)
  })
  return encodeFrame(FRAME.settings, 0, 0, payload)
}

export function settingsAckFrame(): Uint8Array {
  return encodeFrame(FRAME.settings, FLAG.ack, 0)
}

/** @param payload Eight bytes. */
export function pingFrame(payload: Uint8Array, flags = 0): Uint8Array {
  return encodeFrame(FRAME.ping, flags, 0, payload)
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}
