import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeCertificateRequest,
  decodeDeltaRequest,
  decodeDeltaResponse,
  decodeHandoverAnswer,
  decodeHandoverRequest,
  decodeWireAddress,
  decodeWireAuthorization,
  decodeWireWorkload,
  decodeWorkloadRequest,
  decodeZdsHello,
  encodeCertificateRequest,
  encodeDeltaRequest,
  encodeDeltaResource,
  encodeDeltaResponse,
  encodeDeltaResponseHead,
  encodeHandoverAnswer,
  encodeHandoverRequest,
  encodeWireAddress,
  encodeWireAuthorization,
  encodeWorkloadRequest,
  type WireAddress,
  type WireAuthorization,
  type WireHandoverAnswer,
  type WireHandoverRequest,
} from './index.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
/** Hexadecimal digits as one writes them, with a space between fields. */
const packed = (digits: string): string => digits.replaceAll(' ', '')

// Written by hand from the field numbers: tag = number << 3 | wire type, then a length or a varint.
test.each<{ name: string; address: WireAddress; bytes: string }>([
  { name: 'workload.uid (20)', address: { workload: { uid: 'a' } }, bytes: '0a04 a20101 61' },
  {
    name: 'workload.addresses (3)',
    address: { workload: { addresses: [Uint8Array.of(10, 0, 0, 1)] } },
    bytes: '0a06 1a04 0a000001',
  },
  {
    name: 'workload.tunnel_protocol (5)',
    address: { workload: { tunnelProtocol: 1 } },
    bytes: '0a02 2801',
  },
  {
    name: 'workload.native_tunnel (14)',
    address: { workload: { nativeTunnel: true } },
    bytes: '0a02 7001',
  },
  {
    name: 'workload.authorization_policies (16)',
    address: { workload: { authorizationPolicies: ['n/p'] } },
    bytes: '0a06 820103 6e2f70',
  },
  {
    name: 'workload.services (22)',
    address: { workload: { services: { 'n/h': { ports: [{ servicePort: 80, targetPort: 8080 }] } } } },
    bytes: '0a11 b2010e 0a03 6e2f68 1207 0a05 0850 10903f',
  },
  { name: 'workload.network_mode (25)', address: { workload: { networkMode: 1 } }, bytes: '0a03 c80101' },
  {
    name: 'workload.capacity (27)',
    address: { workload: { capacity: { value: 5 } } },
    bytes: '0a05 da0102 0805',
  },
  {
    name: 'workload.waypoint (8)',
    address: {
      workload: { waypoint: { hostname: { namespace: 'n', hostname: 'h' }, hboneMtlsPort: 15_008 } },
    },
    bytes: '0a0d 420b 0a06 0a01 6e 1201 68 18a075',
  },
  {
    name: 'service.addresses (4)',
    address: { service: { addresses: [{ network: 'n', address: Uint8Array.of(1, 2, 3, 4), length: 24 }] } },
    bytes: '120d 220b 0a01 6e 1204 01020304 1818',
  },
  {
    name: 'service.load_balancing (8)',
    address: { service: { loadBalancing: { routingPreference: [3, 4], mode: 2, healthPolicy: 1 } } },
    bytes: '120a 4208 0a020304 1002 1801',
  },
  { name: 'service.visibility (14)', address: { service: { visibility: 1 } }, bytes: '1202 7001' },
])('encodeWireAddress() writes $name', ({ address, bytes }) => {
  expect(hex(encodeWireAddress(address))).toBe(packed(bytes))
  expect(hex(encodeWireAddress(decodeWireAddress(Buffer.from(packed(bytes), 'hex'))))).toBe(packed(bytes))
})

test.each<{ name: string; policy: WireAuthorization; bytes: string }>([
  {
    name: 'scope (3), action (4), dry_run (6)',
    policy: { scope: 2, action: 1, dryRun: true },
    bytes: '1802 2001 3001',
  },
  {
    name: 'principals (3) of a match in rules (5), clauses (1), matches (2)',
    policy: { rules: [{ clauses: [{ matches: [{ principals: [{ exact: 'a' }] }] }] }] },
    bytes: '2a09 0a07 1205 1a03 0a01 61',
  },
  {
    name: 'presence (4), which is empty',
    policy: { rules: [{ clauses: [{ matches: [{ notPrincipals: [{ presence: {} }] }] }] }] },
    bytes: '2a08 0a06 1204 2202 2200',
  },
  {
    name: 'not_source_ips (6) and not_destination_ports (10)',
    policy: {
      rules: [
        {
          clauses: [
            {
              matches: [
                {
                  notSourceIps: [{ address: Uint8Array.of(10, 0, 0, 0), length: 8 }],
                  notDestinationPorts: [80],
                },
              ],
            },
          ],
        },
      ],
    },
    bytes: '2a11 0a0f 120d 3208 0a04 0a000000 1008 520150',
  },
  {
    name: 'service_accounts (11)',
    policy: {
      rules: [{ clauses: [{ matches: [{ serviceAccounts: [{ namespace: 'n', serviceAccount: 's' }] }] }] }],
    },
    bytes: '2a0c 0a0a 1208 5a06 0a01 6e 1201 73',
  },
])('encodeWireAuthorization() writes $name', ({ policy, bytes }) => {
  expect(hex(encodeWireAuthorization(policy))).toBe(packed(bytes))
})

test.each([
  {
    name: 'csr (1) and validity_duration (3)',
    request: { csr: 'x', validitySeconds: 300, metadata: {} },
    bytes: '0a0178 18ac02 2200',
  },
  {
    name: 'a negative duration in ten bytes',
    request: { csr: '', validitySeconds: -1, metadata: {} },
    bytes: '18ffffffffffffffffff01 2200',
  },
])('encodeCertificateRequest() writes $name', ({ request, bytes }) => {
  expect(hex(encodeCertificateRequest(request))).toBe(packed(bytes))
  expect(decodeCertificateRequest(Buffer.from(packed(bytes), 'hex'))).toEqual(request)
})

test('encodeDeltaRequest() writes type_url (2), subscribe (3), unsubscribe (4), versions (5), nonce (6) and error (7)', () => {
  const bytes = encodeDeltaRequest({
    typeUrl: 't',
    subscribe: ['a'],
    unsubscribe: ['b'],
    initialVersions: { n: 'v' },
    nonce: 'x',
    error: { code: 3, message: 'm' },
  })
  expect(hex(bytes)).toBe(packed('120174 1a0161 220162 2a06 0a016e 120176 320178 3a05 0803 12016d'))
})

test('encodeDeltaResponseHead() makes with encoded resources, before or behind it, the message that encodeDeltaResponse() makes', () => {
  const resources = ['a', 'b'].map((name) => ({
    name,
    version: '1',
    typeUrl: 't',
    bytes: Uint8Array.of(1),
    aliases: ['/10.0.0.1'],
  }))
  const head = { typeUrl: 't', nonce: 'n', systemVersion: 's', removed: ['gone'] }
  const whole = decodeDeltaResponse(encodeDeltaResponse({ ...head, resources }))
  const pieces = [encodeDeltaResponseHead(head), ...resources.map(encodeDeltaResource)]
  expect(decodeDeltaResponse(Buffer.concat(pieces))).toEqual(whole)
  expect(decodeDeltaResponse(Buffer.concat([...pieces.slice(1), ...pieces.slice(0, 1)]))).toEqual(whole)
  // version (1), resource (2) as Any, name (3), aliases (4), in field 2 of the response
  expect(
    hex(encodeDeltaResource({ name: 'a', version: '1', typeUrl: 't', bytes: Uint8Array.of(1), aliases: [] })),
  ).toBe(packed('120e 0a0131 1206 0a0174 120101 1a0161'))
})

test('every decoder skips fields from the future', () => {
  const future = Buffer.from('f2ff7f0361626380800801', 'hex') // field 262142 with three bytes, field 16384 with a number
  const cases: [(bytes: Uint8Array) => unknown, Uint8Array][] = [
    [decodeWireAddress, encodeWireAddress({ workload: { uid: 'a' } })],
    [decodeWireAuthorization, encodeWireAuthorization({ name: 'a' })],
    [decodeDeltaRequest, encodeDeltaRequest({ typeUrl: 't' })],
    [
      decodeDeltaResponse,
      encodeDeltaResponse({ typeUrl: 't', nonce: 'n', systemVersion: '', removed: [], resources: [] }),
    ],
    [decodeCertificateRequest, encodeCertificateRequest({ csr: 'x', validitySeconds: 1, metadata: {} })],
    [decodeWorkloadRequest, encodeWorkloadRequest({ kind: 'del', uid: 'a' })],
    [decodeZdsHello, Uint8Array.of(8, 1)],
  ]
  for (const [decode, bytes] of cases) expect(decode(Buffer.concat([bytes, future]))).toEqual(decode(bytes))
})

test('every decoder takes or refuses any bytes, and none hangs or overflows', () => {
  const decoders = [
    decodeWireAddress,
    decodeWireWorkload,
    decodeWireAuthorization,
    decodeDeltaRequest,
    decodeDeltaResponse,
    decodeCertificateRequest,
    decodeWorkloadRequest,
  ]
  fc.assert(
    fc.property(fc.constantFrom(...decoders), fc.uint8Array({ maxLength: 64 }), (decode, bytes) => {
      try {
        decode(bytes)
        return true
      } catch (cause) {
        return cause instanceof Error && !/call stack|allocation/i.test(cause.message)
      }
    }),
    { numRuns: 2000 },
  )
})

test('decodeDeltaRequest() keeps names of versions apart from what objects inherit', () => {
  const { initialVersions } = decodeDeltaRequest(
    encodeDeltaRequest({
      typeUrl: 't',
      initialVersions: Object.fromEntries([
        ['constructor', '1'],
        ['a', '2'],
      ]),
    }),
  )
  expect(Object.entries(initialVersions)).toEqual([
    ['constructor', '1'],
    ['a', '2'],
  ])
  const proto = Buffer.from(packed('2a0e 0a09 5f5f70726f746f5f5f 120176'), 'hex')
  expect(
    Object.getPrototypeOf(
      decodeDeltaRequest(Buffer.concat([Buffer.from('120174', 'hex'), proto])).initialVersions,
    ),
  ).toBe(Object.prototype)
})

test('encodeCertificateRequest() gives equal bytes for metadata in any order', () => {
  const of = (metadata: Record<string, string>): string =>
    hex(encodeCertificateRequest({ csr: '', validitySeconds: 0, metadata }))
  expect(of({ a: '1', b: '2' })).toBe(of({ b: '2', a: '1' }))
})

test('decodeCertificateRequest() refuses metadata nested too deeply to be meant', () => {
  let value: Buffer = Buffer.from('0800', 'hex') // Value.null_value
  const wrap = (tag: number, inner: Buffer): Buffer => {
    const length: number[] = []
    for (let rest = inner.length; ; rest >>>= 7) {
      length.push(rest > 127 ? (rest & 127) | 128 : rest)
      if (rest <= 127) break
    }
    return Buffer.concat([Buffer.from([tag, ...length]), inner])
  }
  for (let depth = 0; depth < 5000; depth++) value = wrap(0x32, wrap(0x0a, value)) // list_value (6) of values (1)
  const metadata = wrap(0x0a, Buffer.concat([wrap(0x0a, Buffer.from('k')), wrap(0x12, value)])) // fields (1): key (1), value (2)
  expect(() => decodeCertificateRequest(wrap(0x22, metadata))).toThrow(/depth/)
})

test.each<{ name: string; request: WireHandoverRequest; bytes: string }>([
  { name: 'hello (1)', request: { kind: 'hello', version: 1 }, bytes: '0a02 0801' },
  { name: 'take (2)', request: { kind: 'take', uid: 'a' }, bytes: '1203 0a0161' },
  { name: 'taken (3)', request: { kind: 'taken', uid: 'a' }, bytes: '1a03 0a0161' },
  { name: 'finish (4)', request: { kind: 'finish' }, bytes: '2200' },
])('a hand-over request has $name', ({ request, bytes }) => {
  expect(hex(encodeHandoverRequest(request))).toBe(packed(bytes))
  expect(decodeHandoverRequest(Buffer.from(packed(bytes), 'hex'))).toEqual(request)
})

test.each<{ name: string; answer: WireHandoverAnswer; bytes: string }>([
  { name: 'refused (1)', answer: { kind: 'refused', reason: 'no' }, bytes: '0a04 0a026e6f' },
  {
    name: 'nothing to hand over (2)',
    answer: { kind: 'done', sockets: [], more: false },
    bytes: '1200',
  },
  {
    name: 'a socket (2.1)',
    answer: { kind: 'done', sockets: [{ role: 'dns-udp', ip: '::1', port: 53 }], more: true },
    bytes: '120d 0a09 0805 1203 3a3a31 1835 1001',
  },
])('a hand-over answer has $name', ({ answer, bytes }) => {
  expect(hex(encodeHandoverAnswer(answer))).toBe(packed(bytes))
  expect(decodeHandoverAnswer(Buffer.from(packed(bytes), 'hex'))).toEqual(answer)
})

test('decodeHandoverAnswer() keeps the place of a socket whose role it does not know', () => {
  expect(decodeHandoverAnswer(Buffer.from('12080a02086f0a020801', 'hex'))).toEqual({
    kind: 'done',
    sockets: [undefined, { role: 'outbound', ip: '', port: 0 }],
    more: false,
  })
})
