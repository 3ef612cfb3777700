import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressBytes, addressText, familyOf } from './ip-text.ts'

test.each([
  // RFC 5952, sections 4 and 5.
  ['2001:0db8::0001', '2001:db8::1'],
  ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:DB8::AbCd', '2001:db8::abcd'],
  ['::', '::'],
  ['::1', '::1'],
  ['fe80::', 'fe80::'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::ffff:a01:203', '10.1.2.3'],
  ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
  ['10.0.0.1', '10.0.0.1'],
])('addressText() writes %s as %s', (text, canonical) => {
  expect(addressText(addressBytes(text))).toBe(canonical)
})

test.each(['', 'pod', '10.0.0', '10.0.0.256', '1::2::3', 'fe80::1%eth0', '10.0.0.1:80', '[::1]'])(
  'addressBytes() throws on "%s"',
  (text) => {
    expect(() => addressBytes(text)).toThrow(RangeError)
  },
)

test('addressBytes() gives back any bytes that addressText() wrote, mapped ones as IPv4', () => {
  const isMapped = (bytes: Uint8Array): boolean => addressText(bytes).includes('.') && bytes.length === 16
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc
          .array(fc.constantFrom(0, 0, 0, 1, 171), { minLength: 16, maxLength: 16 })
          .map((list) => Uint8Array.from(list)),
      ),
      (bytes) => {
        expect(addressBytes(addressText(bytes))).toEqual(isMapped(bytes) ? bytes.slice(12) : bytes)
      },
    ),
  )
})

test('familyOf() tells IPv6 by its colon', () => {
  expect([familyOf('::1'), familyOf('127.0.0.1')]).toEqual(['v6', 'v4'])
})
