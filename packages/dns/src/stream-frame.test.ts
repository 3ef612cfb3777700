import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { DnsError } from './dns-error.ts'
import { decodeStreamFrame, encodeStreamFrame } from './stream-frame.ts'

test('decodeStreamFrame() gives back what was framed, for any message', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1000 }), (message) => {
      const frame = encodeStreamFrame(message)
      expect(decodeStreamFrame(frame)).toEqual({ kind: 'done', value: message, consumed: frame.length })
    }),
  )
})

test('decodeStreamFrame() asks for more at every cut', () => {
  const frame = encodeStreamFrame(Uint8Array.of(1, 2, 3, 4, 5))
  for (let cut = 0; cut < frame.length; cut++) {
    expect(decodeStreamFrame(frame.subarray(0, cut))).toEqual({
      kind: 'need',
      bytes: cut < 2 ? 2 : frame.length,
    })
  }
})

test('decodeStreamFrame() leaves the bytes behind the message alone', () => {
  const both = Uint8Array.of(...encodeStreamFrame(Uint8Array.of(1)), ...encodeStreamFrame(Uint8Array.of(2)))
  expect(decodeStreamFrame(both)).toEqual({ kind: 'done', value: Uint8Array.of(1), consumed: 3 })
})

test('encodeStreamFrame() refuses what its length cannot say', () => {
  expect(encodeStreamFrame(new Uint8Array(65_535)).subarray(0, 2)).toEqual(Uint8Array.of(255, 255))
  expect(() => encodeStreamFrame(new Uint8Array(65_536))).toThrow(DnsError)
})
