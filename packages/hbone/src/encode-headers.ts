import { putFrameHead } from './frame-head.ts'
import { DEFAULT_FRAME_BYTES, FLAG, FRAME, HEADER_BYTES } from './h2-constants.ts'
import type { HeaderField } from './header-field.ts'
import { STATIC_NAMES } from './hpack-static-table.ts'

/** A prefix and four more bytes for each of two strings, and the kind of the field. */
const FIELD_OVERHEAD = 12
const LITERAL_WITHOUT_INDEXING_BITS = 4
// Line ends, NUL, and what is not Latin-1.
const UNSAFE = /[\r\n\0\u0100-\uffff]/
const UNSAFE_CHARACTERS = new RegExp(UNSAFE, 'g')

/** Encodes fields as static entries and plain literals, so that no state is shared with the peer. */
export function encodeHeaders(fields: readonly HeaderField[]): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.allocUnsafe(roomFor(fields))
  return bytes.subarray(0, putFields(bytes, 0, fields))
}

/**
 * A header block as one HEADERS frame, with CONTINUATIONs if it does not fit the smallest frame a peer must take.
 *
 * @param flags END_STREAM or nothing; END_HEADERS is set here.
 */
export function headersFrames(streamId: number, flags: number, fields: readonly HeaderField[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + roomFor(fields))
  const end = putFields(bytes, HEADER_BYTES, fields)
  if (end - HEADER_BYTES > DEFAULT_FRAME_BYTES)
    return splitBlock(streamId, flags, bytes.subarray(HEADER_BYTES, end))
  putFrameHead(bytes, 0, {
    length: end - HEADER_BYTES,
    type: FRAME.headers,
    flags: flags | FLAG.endHeaders,
    streamId,
  })
  return bytes.subarray(0, end)
}

function splitBlock(streamId: number, flags: number, block: Uint8Array): Uint8Array {
  const count = Math.ceil(block.length / DEFAULT_FRAME_BYTES)
  const frames = new Uint8Array(block.length + count * HEADER_BYTES)
  for (let i = 0, at = 0; i < count; i++) {
    const part = block.subarray(i * DEFAULT_FRAME_BYTES, (i + 1) * DEFAULT_FRAME_BYTES)
    const type = i === 0 ? FRAME.headers : FRAME.continuation
    const ends = i === count - 1 ? FLAG.endHeaders : 0
    putFrameHead(frames, at, { length: part.length, type, flags: (i === 0 ? flags : 0) | ends, streamId })
    frames.set(part, at + HEADER_BYTES)
    at += HEADER_BYTES + part.length
  }
  return frames
}

function roomFor(fields: readonly HeaderField[]): number {
  return fields.reduce((bytes, field) => bytes + field.name.length + field.value.length + FIELD_OVERHEAD, 0)
}

function putFields(bytes: Buffer, from: number, fields: readonly HeaderField[]): number {
  let at = from
  for (const { name, value } of fields) {
    const known = STATIC_NAMES.get(name)
    const entry = known?.byValue.get(value)
    if (entry !== undefined) {
      bytes[at++] = 0x80 | entry
      continue
    }
    if (known !== undefined) at = putInteger(bytes, at, known.first, LITERAL_WITHOUT_INDEXING_BITS)
    else {
      bytes[at++] = 0
      at = putString(bytes, at, name)
    }
    at = putString(bytes, at, value)
  }
  return at
}

function putString(bytes: Buffer, from: number, text: string): number {
  const at = putInteger(bytes, from, text.length, 7)
  // Nothing that could end the line for a peer that forwards the field as HTTP/1.
  return at + bytes.write(UNSAFE.test(text) ? text.replaceAll(UNSAFE_CHARACTERS, '?') : text, at, 'latin1')
}

function putInteger(bytes: Uint8Array, from: number, value: number, prefixBits: number): number {
  let at = from
  const mask = (1 << prefixBits) - 1
  if (value < mask) {
    bytes[at++] = value
    return at
  }
  bytes[at++] = mask
  let rest = value - mask
  for (; rest >= 128; rest >>>= 7) bytes[at++] = (rest & 127) | 128
  bytes[at++] = rest
  return at
}
