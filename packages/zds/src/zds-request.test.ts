import { decodeWorkloadResponse, encodeWorkloadRequest } from '@ambient/xds-proto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeRequest, encodeAck } from './zds-request.ts'

const info = { name: 'cart', namespace: 'shop', serviceAccount: 'cart-sa' }
const add = encodeWorkloadRequest({ kind: 'add', uid: 'u1', info })

function packet(
  bytes: Uint8Array | readonly number[],
  fds: readonly number[] = [],
): Parameters<typeof decodeRequest>[0] {
  return { bytes: Uint8Array.from(bytes), fds, truncated: false }
}

test.each([
  {
    name: 'an add with its descriptor',
    packet: packet(add, [9]),
    expected: { kind: 'add', uid: 'u1', info, netns: 9 },
  },
  // Fixed bytes, as the protocol has them: keep is field 5 with uid 1, del field 2 with uid 2, snapshot_sent an empty field 3.
  {
    name: 'a keep',
    packet: packet([0x2a, 0x04, 0x0a, 0x02, 0x75, 0x31]),
    expected: { kind: 'keep', uid: 'u1' },
  },
  {
    name: 'a del',
    packet: packet([0x12, 0x04, 0x12, 0x02, 0x75, 0x31]),
    expected: { kind: 'del', uid: 'u1' },
  },
  { name: 'the end of a snapshot', packet: packet([0x1a, 0x00]), expected: { kind: 'snapshot-sent' } },
])('decodeRequest() reads $name', ({ packet: given, expected }) => {
  expect(decodeRequest(given)).toEqual({ kind: 'request', request: expected })
})

test.each([
  {
    name: 'an add without a descriptor',
    packet: packet(add),
    reason: '0 descriptors with an add request, 1 expected',
  },
  {
    name: 'an add with two',
    packet: packet(add, [8, 9]),
    reason: '2 descriptors with an add request, 1 expected',
  },
  {
    name: 'a del with a descriptor',
    packet: packet([0x12, 0x02, 0x12, 0x00], [9]),
    reason: '1 descriptors with a del request',
  },
  { name: 'a cut packet', packet: { ...packet(add, [9]), truncated: true }, reason: 'message truncated' },
  { name: 'an unknown request', packet: packet([0x22, 0x00]), reason: 'no known request' },
  { name: 'nothing', packet: packet([]), reason: 'no known request' },
  { name: 'no protobuf', packet: packet([0xff, 0xff, 0xff]), reason: 'no known request' },
])('decodeRequest() calls $name unreadable', ({ packet: given, reason }) => {
  expect(decodeRequest(given)).toEqual({ kind: 'unreadable', reason })
})

test('decodeRequest() calls an add without workload info a violation', () => {
  const bare = encodeWorkloadRequest({ kind: 'add', uid: 'u1', info: undefined })
  expect(decodeRequest(packet(bare, [9]))).toEqual({
    kind: 'violation',
    reason: 'add of u1 without workload info',
  })
})

test('decodeRequest() never throws, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.nat(), { maxLength: 3 }), (bytes, fds) => {
      expect(['request', 'unreadable', 'violation']).toContain(decodeRequest(packet(bytes, fds)).kind)
    }),
    { numRuns: 5000 },
  )
})

test('encodeAck() of success is two fixed bytes', () => {
  expect([...encodeAck(undefined, 800)]).toEqual([0x0a, 0x00])
})

test('encodeAck() cuts a long text between characters', () => {
  const text = '€'.repeat(1000)
  const decoded = decodeWorkloadResponse(encodeAck(text, 800)) ?? ''
  expect(decoded).toBe('€'.repeat(266))
  expect(decodeWorkloadResponse(encodeAck('short', 800))).toBe('short')
})
