import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatAuthority, parseAuthority } from './authority.ts'

describe('parseAuthority()', () => {
  test.each([
    { text: '10.0.0.1:80', expected: { kind: 'address', ip: '10.0.0.1', port: 80 } },
    { text: '[fd00:0:0::1]:65535', expected: { kind: 'address', ip: 'fd00::1', port: 65535 } },
    { text: '[::ffff:10.0.0.1]:80', expected: { kind: 'address', ip: '10.0.0.1', port: 80 } },
    {
      text: 'web.shop.svc.cluster.local:8080',
      expected: { kind: 'hostname', hostname: 'web.shop.svc.cluster.local', port: 8080 },
    },
    { text: 'a:1', expected: { kind: 'hostname', hostname: 'a', port: 1 } },
    { text: '_x.A-b:1', expected: { kind: 'hostname', hostname: '_x.A-b', port: 1 } },
  ])('reads $text', ({ text, expected }) => {
    expect(parseAuthority(text)).toEqual(expected)
  })

  test.each([
    '',
    ':',
    ':80',
    '10.0.0.1',
    'web',
    'web:',
    'web:0',
    'web:65536',
    'web:080',
    'web:+80',
    'web: 80',
    'web:80 ',
    'web:8x',
    '::1:80',
    '[::1]',
    '[::1:80',
    '[web]:80',
    '[10.0.0.1]:80',
    '[fe80::1%eth0]:80',
    '10.0.0.300:80',
    'user@web:80',
    'we b:80',
    '-web:80',
    'web-:80',
    'a..b:80',
    '.a:80',
    'a.:80',
    `${'a'.repeat(254)}:80`,
    'http://web:80',
    '*.web:80',
  ])('refuses "%s"', (text) => {
    expect(parseAuthority(text)).toBeUndefined()
  })

  test('gives back what formatAuthority() made', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((ip) => (ip.includes(':') ? `[${ip}]` : ip))
    fc.assert(
      fc.property(fc.oneof(address, fc.domain()), fc.integer({ min: 1, max: 65535 }), (host, port) => {
        const authority = parseAuthority(`${host}:${port}`)
        expect(authority).toBeDefined()
        expect(parseAuthority(authority === undefined ? '' : formatAuthority(authority))).toEqual(authority)
      }),
    )
  })
})
