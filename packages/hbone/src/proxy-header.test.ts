import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HboneError } from './hbone-error.ts'
import {
  decodeProxyHeader,
  encodeProxyHeader,
  PROXY_TLV_PEER_ID,
  type ProxyEndpoint,
  type ProxyHeader,
} from './proxy-header.ts'

const source = { ip: '10.0.0.1', port: 4711 }
const destination = { ip: '10.0.0.2', port: 80 }
const peerId = {
  type: PROXY_TLV_PEER_ID,
  value: new Uint8Array(Buffer.from('spiffe://cluster.local/ns/a/sa/b')),
}
const header = encodeProxyHeader(source, destination, [peerId])

describe('encodeProxyHeader()', () => {
  test('writes TCP over IPv4 byte for byte', () => {
    expect(Buffer.from(encodeProxyHeader(source, destination)).toString('hex')).toBe(
      '0d0a0d0a000d0a515549540a2111000c0a0000010a00000212670050',
    )
  })

  test('leaves the addresses out when they are of two families', () => {
    const mixed = encodeProxyHeader(source, { ip: 'fd00::1', port: 80 })
    expect(Buffer.from(mixed.subarray(12)).toString('hex')).toBe('21000000')
  })

  test.each([
    { name: 'a host name', from: { ip: 'web', port: 1 } },
    { name: 'a port over 65535', from: { ip: '10.0.0.1', port: 65536 } },
  ])('refuses $name', ({ from }) => {
    expect(() => encodeProxyHeader(from, destination)).toThrow(HboneError)
  })

  test('refuses more than fits', () => {
    expect(() => encodeProxyHeader(source, destination, [{ type: 1, value: new Uint8Array(65530) }])).toThrow(
      HboneError,
    )
  })
})

describe('decodeProxyHeader()', () => {
  test('gives back what was encoded, for any addresses and TLVs', () => {
    const ip = fc.oneof(fc.ipV4(), fc.constantFrom('fd00::1', '2001:db8::2', '::1'))
    const endpoint: fc.Arbitrary<ProxyEndpoint> = fc.record({ ip, port: fc.integer({ min: 0, max: 65535 }) })
    const tlvs = fc.array(
      fc.record({ type: fc.integer({ min: 0, max: 255 }), value: fc.uint8Array({ maxLength: 300 }) }),
      { maxLength: 4 },
    )
    fc.assert(
      fc.property(endpoint, endpoint, tlvs, (from, to, extra) => {
        const bytes = encodeProxyHeader(from, to, extra)
        const isSameFamily = from.ip.includes(':') === to.ip.includes(':')
        const value = { addresses: isSameFamily ? { source: from, destination: to } : undefined, tlvs: extra }
        expect(decodeProxyHeader(bytes)).toEqual({ kind: 'done', value, consumed: bytes.length })
      }),
    )
  })

  test('asks for more at every cut', () => {
    for (let cut = 0; cut < header.length; cut++) {
      expect(decodeProxyHeader(header.subarray(0, cut))).toEqual({
        kind: 'need',
        bytes: cut < 16 ? 16 : header.length,
      })
    }
  })

  test('leaves the bytes behind it alone', () => {
    const more = new Uint8Array([...header, 1, 2, 3])
    expect(decodeProxyHeader(more)).toMatchObject({ kind: 'done', consumed: header.length })
  })

  test('throws HboneError and nothing else when a byte is wrong', () => {
    for (let at = 0; at < header.length; at++) {
      for (const bit of [1, 0x80]) {
        const wrong = new Uint8Array(header)
        wrong[at] = (wrong[at] ?? 0) ^ bit
        expect(outcome(wrong)).not.toBe('other error')
      }
    }
    expect(outcome(Buffer.from('GET / HTTP/1.1'))).toBe('refused')
  })
})

function outcome(input: Uint8Array): ProxyHeader | 'need' | 'refused' | 'other error' {
  try {
    const decoded = decodeProxyHeader(input)
    return decoded.kind === 'need' ? 'need' : decoded.value
  } catch (cause) {
    return cause instanceof HboneError ? 'refused' : 'other error'
  }
}
