import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeHeaders, headersFrames } from './encode-headers.ts'
import { FLAG, FRAME } from './h2-constants.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { afterSettings, parserLimits, recordFrames } from '../test/record-frames.ts'

const limits = { headerTableBytes: 4096, maxHeaderListBytes: 1 << 20 }
const decode = (block: Uint8Array<ArrayBuffer>): unknown => new HpackDecoder(limits).decode(block).fields

describe('encodeHeaders()', () => {
  test('encodes a CONNECT that the decoder reads back', () => {
    const fields = [
      { name: ':method', value: 'CONNECT' },
      { name: ':authority', value: '10.0.0.1:80' },
      { name: 'baggage', value: 'k8s.namespace.name=default,'.repeat(40) },
    ]
    expect(decode(encodeHeaders(fields))).toEqual(fields)
  })

  test('spends one byte on :status 200', () => {
    expect([...encodeHeaders([{ name: ':status', value: '200' }])]).toEqual([0x88])
  })

  test('encodes any Latin-1 fields so that decoding gives them back', () => {
    const text = fc.string({
      unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
      maxLength: 200,
    })
    fc.assert(
      fc.property(fc.array(fc.record({ name: text, value: text }), { maxLength: 8 }), (fields) => {
        expect(decode(encodeHeaders(fields))).toEqual(fields)
      }),
    )
  })

  test('lets no character through that ends a line or is not Latin-1', () => {
    expect(decode(encodeHeaders([{ name: 'x', value: 'a\r\nb\0\u010a' }]))).toEqual([
      { name: 'x', value: 'a??b??' },
    ])
  })
})

describe('headersFrames()', () => {
  test('makes one HEADERS frame of a small block', () => {
    const bytes = headersFrames(3, FLAG.endStream, [{ name: ':status', value: '503' }])
    expect(bytes[3]).toBe(FRAME.headers)
    expect(bytes[4]).toBe(FLAG.endHeaders | FLAG.endStream)
  })

  test('cuts a block of 40,000 bytes into CONTINUATION frames', () => {
    const fields = [{ name: 'x', value: 'y'.repeat(40_000) }]
    const frames = headersFrames(1, FLAG.endStream, fields)
    const { log, blocks } = recordFrames(afterSettings(frames), [], 'client', {
      ...parserLimits,
      maxFrameBytes: 16384,
    })
    expect(log).toEqual(['settings ', expect.stringMatching(/^headers 1 .* true$/)])
    expect(decode(new Uint8Array(blocks[0] ?? new Uint8Array(0)))).toEqual(fields)
  })
})
