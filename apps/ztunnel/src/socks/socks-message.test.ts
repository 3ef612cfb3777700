import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeGreeting,
  decodeSocksRequest,
  encodeReply,
  replyCode,
  SOCKS_REPLY,
  type SocksDecoded,
} from './socks-message.ts'

const greeting = Buffer.from([5, 2, 2, 0])
const toV4 = Buffer.from([5, 1, 0, 1, 10, 0, 0, 2, 0x1f, 0x90])
const toV6 = Buffer.from([5, 1, 0, 4, 0xfd, ...Array.from({ length: 14 }, () => 0), 1, 0, 80])
const toName = Buffer.concat([Buffer.from([5, 1, 0, 3, 9]), Buffer.from('web.shop.'), Buffer.from([0, 80])])

test.each([
  { name: 'a greeting', decode: decodeGreeting, message: greeting },
  { name: 'an IPv4 request', decode: decodeSocksRequest, message: toV4 },
  { name: 'an IPv6 request', decode: decodeSocksRequest, message: toV6 },
  { name: 'a request by name', decode: decodeSocksRequest, message: toName },
])('every cut of $name asks for more, and for no more than there is', ({ decode, message }) => {
  for (let length = 0; length < message.length; length++) {
    const decoded: SocksDecoded<unknown> = decode(message.subarray(0, length))
    if (decoded.kind !== 'need') throw new Error(`${length} bytes are ${decoded.kind}`)
    expect(decoded.bytes).toBeGreaterThan(length)
    expect(decoded.bytes).toBeLessThanOrEqual(message.length)
  }
  expect(decode(message).kind).toBe('done')
})

test.each([
  { message: toV4, expected: { kind: 'address', ip: '10.0.0.2', port: 8080 } },
  { message: toV6, expected: { kind: 'address', ip: 'fd00::1', port: 80 } },
  { message: toName, expected: { kind: 'hostname', hostname: 'web.shop.', port: 80 } },
])('decodeSocksRequest() reads $expected', ({ message, expected }) =>
  expect(decodeSocksRequest(message)).toEqual({ kind: 'done', value: expected }),
)

test.each([
  { name: 'another version', decode: decodeGreeting, message: [4, 1], answer: [] },
  {
    name: 'a client that insists on a password',
    decode: decodeGreeting,
    message: [5, 1, 2],
    answer: [5, 255],
  },
  { name: 'a client without any method', decode: decodeGreeting, message: [5, 0], answer: [5, 255] },
  { name: 'another version later', decode: decodeSocksRequest, message: [4], answer: [] },
  { name: 'BIND', decode: decodeSocksRequest, message: [5, 2], answer: [...encodeReply(7)] },
  { name: 'UDP ASSOCIATE', decode: decodeSocksRequest, message: [5, 3], answer: [...encodeReply(7)] },
  {
    name: 'an unknown address type',
    decode: decodeSocksRequest,
    message: [5, 1, 0, 2, 0],
    answer: [...encodeReply(8)],
  },
  {
    name: 'a name with a space',
    decode: decodeSocksRequest,
    message: [5, 1, 0, 3, 3, 97, 32, 98, 0, 80],
    answer: [...encodeReply(1)],
  },
  {
    name: 'an empty name',
    decode: decodeSocksRequest,
    message: [5, 1, 0, 3, 0, 0, 80],
    answer: [...encodeReply(1)],
  },
])('refuses $name', ({ decode, message, answer }) => {
  const decoded: SocksDecoded<unknown> = decode(Uint8Array.from(message))
  expect(decoded.kind === 'refused' && [...decoded.answer]).toEqual(answer)
})

test('any bytes are read, refused or found too few, and never more than 262 are asked for', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const decode of [decodeGreeting, decodeSocksRequest]) {
        const decoded: SocksDecoded<unknown> = decode(bytes)
        if (decoded.kind === 'need') expect(decoded.bytes).toBeLessThanOrEqual(262)
      }
    }),
  )
})

test('replyCode() tells a client what it can tell apart', () => {
  const codes = (
    [
      'SELF_CALL',
      'NETWORK_GATEWAY_UNKNOWN',
      'NO_HEALTHY_UPSTREAM',
      'CONNECT_FAILED',
      'HBONE_REFUSED',
    ] as const
  ).map((reason) => replyCode({ reason, detail: '' }))
  const { notAllowed, networkUnreachable, hostUnreachable, connectionRefused, generalFailure } = SOCKS_REPLY
  expect(codes).toEqual([notAllowed, networkUnreachable, hostUnreachable, connectionRefused, generalFailure])
})
