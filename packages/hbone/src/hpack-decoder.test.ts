import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeHeaders } from './encode-headers.ts'
import { HpackError } from './hbone-error.ts'
import type { HeaderField } from './header-field.ts'
import { HpackDecoder } from './hpack-decoder.ts'

const limits = { headerTableBytes: 4096, maxHeaderListBytes: 65536 }
const hex = (text: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const lines = (fields: readonly HeaderField[]): string[] =>
  fields.map((field) => `${field.name}: ${field.value}`)

describe('HpackDecoder', () => {
  test('decode() reads the three requests of RFC 7541 C.4, Huffman and dynamic table', () => {
    const decoder = new HpackDecoder(limits)
    const first = decoder.decode(hex('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'))
    expect(lines(first.fields)).toEqual([
      ':method: GET',
      ':scheme: http',
      ':path: /',
      ':authority: www.example.com',
    ])
    const second = decoder.decode(hex('8286 84be 5886 a8eb 1064 9cbf'))
    expect(lines(second.fields).slice(3)).toEqual([':authority: www.example.com', 'cache-control: no-cache'])
    const third = decoder.decode(hex('8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'))
    expect(lines(third.fields)).toEqual([
      ':method: GET',
      ':scheme: https',
      ':path: /index.html',
      ':authority: www.example.com',
      'custom-key: custom-value',
    ])
  })

  test('decode() evicts as in RFC 7541 C.6, with a table of 256 bytes', () => {
    const decoder = new HpackDecoder({ ...limits, headerTableBytes: 256 })
    const first = decoder.decode(
      hex(
        '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      ),
    )
    expect(lines(first.fields)).toEqual([
      ':status: 302',
      'cache-control: private',
      'date: Mon, 21 Oct 2013 20:13:21 GMT',
      'location: https://www.example.com',
    ])
    const second = decoder.decode(hex('4883 640e ffc1 c0bf'))
    expect(lines(second.fields)).toEqual([':status: 307', ...lines(first.fields).slice(1)])
    const third = decoder.decode(
      hex(
        '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
      ),
    )
    expect(lines(third.fields)).toEqual([
      ':status: 200',
      'cache-control: private',
      'date: Mon, 21 Oct 2013 20:13:22 GMT',
      'location: https://www.example.com',
      'content-encoding: gzip',
      'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    ])
  })

  test.each([
    { name: 'an index of 0', block: '80' },
    { name: 'an index beyond the table', block: 'be' },
    { name: 'a string longer than the block', block: '0005 6162' },
    { name: 'an integer of five continuation bytes', block: 'ff ffff ffff ff7f' },
    { name: 'a table larger than allowed', block: '3fe2 1f' },
    { name: 'a table resized after a field', block: '8220' },
    { name: 'EOS in a Huffman string', block: '0084 ffff ffff 00' },
    { name: 'Huffman padding of zeros', block: '0081 0000' },
    { name: 'a whole byte of Huffman padding', block: '0082 07ff 00' },
    { name: 'a block that ends in the middle of a field', block: '40' },
  ])('decode() refuses $name', ({ block }) => {
    expect(() => new HpackDecoder(limits).decode(hex(block))).toThrow(HpackError)
  })

  test('decode() reads the whole block but keeps no more fields than allowed', () => {
    const decoder = new HpackDecoder({ ...limits, maxHeaderListBytes: 100 })
    const long = encodeHeaders([{ name: 'a', value: 'x'.repeat(200) }])
    const indexed = hex('4001 6201 63')
    expect(decoder.decode(new Uint8Array([...long, ...indexed]))).toEqual({ fields: [], isTooLarge: true })
    expect(lines(decoder.decode(hex('be')).fields)).toEqual(['b: c'])
  })

  test('decode() accepts random bytes or throws HpackError, nothing else', () => {
    let refused = 0
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), (bytes) => {
        try {
          new HpackDecoder(limits).decode(new Uint8Array(bytes))
        } catch (cause) {
          if (!(cause instanceof HpackError)) throw cause
          refused++
        }
      }),
      { numRuns: 5000 },
    )
    expect(refused).toBeGreaterThan(500)
  })
})
