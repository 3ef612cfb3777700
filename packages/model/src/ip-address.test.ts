import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalIp, formatHostPort, ipFromBytes, ipToBytes, prefixMatches } from './ip-address.ts'

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['::', '::'],
  ['::1', '::1'],
  ['FD00::ABCD', 'fd00::abcd'],
  ['2001:0db8:0:0:0:0:2:1', '2001:db8::2:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // one zero word is written out
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'], // the longest run
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], // the first of two equal runs
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::ffff:a00:1', '10.0.0.1'],
  ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
])('canonicalIp() spells %s as %s', (text, expected) => expect(canonicalIp(text)).toBe(expected))

test.each([
  '',
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.256',
  '01.2.3.4',
  '1.2.3.4 ',
  ' 1.2.3.4',
  '0x1.2.3.4',
  '1.2.3.-4',
  'localhost',
  '10.0.0.1:80',
  '10.0.0.0/8',
  ':',
  ':::',
  '1::2::3',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7:8::',
  '::12345',
  '::g',
  'fe80::1%eth0',
  '[::1]',
  '1.2.3.4::',
  '::1.2.3.4:5',
  '::1.2.3',
  ':1:2:3:4:5:6:7:8',
  '1:2:3:4:5:6:7:8:',
])('canonicalIp() takes "%s" for no address', (text) => expect(canonicalIp(text)).toBeUndefined())

const anyBytes = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // Mostly zeros, where the shortening happens.
  fc
    .array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 })
    .map((bytes) => Uint8Array.from(bytes)),
)

test('ipToBytes() undoes ipFromBytes()', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      const text = ipFromBytes(bytes) ?? ''
      expect(text).not.toBe('')
      expect(canonicalIp(text)).toBe(text)
      const back = ipToBytes(text)
      if (back?.length === bytes.length) expect(back).toEqual(bytes)
      else expect(bytes.subarray(12)).toEqual(back) // IPv4-mapped
    }),
  )
})

test('ipFromBytes() takes 4 or 16 bytes only', () => {
  for (const length of [0, 3, 5, 15, 17]) expect(ipFromBytes(new Uint8Array(length))).toBeUndefined()
})

test('formatHostPort() brackets IPv6', () => {
  expect([formatHostPort('10.0.0.1', 80), formatHostPort('fd00::1', 80)]).toEqual([
    '10.0.0.1:80',
    '[fd00::1]:80',
  ])
})

test('prefixMatches() compares as many bits as told, within one family', () => {
  const asBits = (bytes: Uint8Array): string =>
    [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  fc.assert(
    fc.property(anyBytes, anyBytes, fc.nat(128), (prefix, ip, wanted) => {
      const length = Math.min(wanted, prefix.length * 8)
      const expected =
        prefix.length === ip.length && asBits(prefix).slice(0, length) === asBits(ip).slice(0, length)
      expect(prefixMatches(prefix, length, ip)).toBe(expected)
    }),
  )
  expect(prefixMatches(Uint8Array.of(10, 0, 0, 0), 0, new Uint8Array(16))).toBe(false)
})
