import { expect, test } from 'vitest'
import {
  decodeCertificateRequest,
  decodeCertificateResponse,
  decodeDeltaRequest,
  decodeDeltaResponse,
  decodeWireAddress,
  decodeWireAuthorization,
  decodeWorkloadRequest,
  decodeWorkloadResponse,
  decodeZdsHello,
  encodeCertificateRequest,
  encodeCertificateResponse,
  encodeDeltaRequest,
  encodeDeltaResponse,
  encodeWireAddress,
  encodeWireAuthorization,
  encodeWorkloadRequest,
  encodeWorkloadResponse,
  encodeZdsHello,
  type WireWorkloadRequest,
} from './index.ts'

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

test('ZDS messages have the fixed encodings that upstream sends', () => {
  expect(hex(encodeZdsHello())).toBe('0801')
  expect(hex(encodeWorkloadResponse(''))).toBe('0a00')
  expect(hex(encodeWorkloadRequest({ kind: 'snapshot-sent' }))).toBe('1a00')
  expect(hex(encodeWorkloadRequest({ kind: 'del', uid: 'a' }))).toBe('1203120161')
  expect(hex(encodeWorkloadRequest({ kind: 'keep', uid: 'a' }))).toBe('2a030a0161')
})

test.each<WireWorkloadRequest>([
  { kind: 'add', uid: 'u', info: { name: 'n', namespace: 's', serviceAccount: 'a' } },
  { kind: 'add', uid: 'u', info: undefined },
  { kind: 'keep', uid: 'u' },
  { kind: 'del', uid: 'u' },
  { kind: 'snapshot-sent' },
])('decodeWorkloadRequest() gives back $kind', (request) => {
  expect(decodeWorkloadRequest(encodeWorkloadRequest(request))).toEqual(request)
})

test('decodeWorkloadRequest() gives undefined for a kind from the future', () => {
  expect(decodeWorkloadRequest(Uint8Array.of(0x3a, 0x00))).toBeUndefined()
})

test('decodeWorkloadResponse() and decodeZdsHello() read what the peer said', () => {
  expect(decodeWorkloadResponse(encodeWorkloadResponse('no'))).toBe('no')
  expect(decodeWorkloadResponse(Uint8Array.of())).toBeUndefined()
  expect(decodeZdsHello(Uint8Array.of(8, 1))).toBe(1)
  expect(() => decodeWorkloadRequest(Uint8Array.of(0x0a, 0x7f))).toThrow('index out of range')
})

test('decodeCertificateRequest() gives back seconds as a number and metadata as JSON', () => {
  const request = {
    csr: 'pem',
    validitySeconds: 86_400,
    metadata: { ImpersonatedIdentity: 'spiffe://a/ns/b/sa/c', deep: { list: [1, true, null, 'x'] } },
  }
  expect(decodeCertificateRequest(encodeCertificateRequest(request))).toEqual(request)
  expect(decodeCertificateResponse(encodeCertificateResponse({ certChain: ['a', 'b'] }))).toEqual({
    certChain: ['a', 'b'],
  })
})

test('decodeDeltaRequest() gives back first request, ACK and NACK', () => {
  const request = {
    node: { id: 'ztunnel~1.1.1.1~a.b~b.svc.cluster.local', metadata: { NODE_NAME: 'n1' } },
    typeUrl: 'type.googleapis.com/istio.workload.Address',
    subscribe: [],
    unsubscribe: ['x'],
    initialVersions: { a: '1' },
    nonce: 'n',
    error: { code: 0, message: 'bad' },
  }
  expect(decodeDeltaRequest(encodeDeltaRequest(request))).toEqual(request)
  expect(decodeDeltaRequest(encodeDeltaRequest({ typeUrl: 't' }))).toEqual({
    node: undefined,
    typeUrl: 't',
    subscribe: [],
    unsubscribe: [],
    initialVersions: {},
    nonce: '',
    error: undefined,
  })
})

test('decodeDeltaResponse() gives back resources with their bytes', () => {
  const response = {
    typeUrl: 't',
    nonce: 'n',
    systemVersion: 'v',
    removed: ['gone'],
    resources: [{ name: 'a', version: '1', typeUrl: 't', bytes: Uint8Array.of(1, 2), aliases: ['x'] }],
  }
  const decoded = decodeDeltaResponse(encodeDeltaResponse(response))
  expect({
    ...decoded,
    resources: decoded.resources.map((resource) => ({ ...resource, bytes: Uint8Array.from(resource.bytes) })),
  }).toEqual(response)
})

test('addresses and policies survive the wire', () => {
  const workload = decodeWireAddress(
    encodeWireAddress({
      workload: {
        uid: 'u',
        addresses: [Uint8Array.of(10, 0, 0, 1)],
        services: { 'a/b': { ports: [{ servicePort: 80, targetPort: 8080 }] } },
        capacity: { value: 0 },
      },
    }),
  ).workload
  expect(workload?.uid).toBe('u')
  expect([...(workload?.addresses?.[0] ?? [])]).toEqual([10, 0, 0, 1])
  expect(workload?.services?.['a/b']?.ports?.[0]).toMatchObject({ servicePort: 80, targetPort: 8080 })
  expect(workload?.capacity).toMatchObject({ value: 0 })
  const policy = decodeWireAuthorization(
    encodeWireAuthorization({
      name: 'p',
      action: 1,
      rules: [{ clauses: [{ matches: [{ principals: [{ presence: {} }], destinationPorts: [80] }] }] }],
    }),
  )
  const match = policy.rules?.[0]?.clauses?.[0]?.matches?.[0]
  expect(match?.principals?.[0]?.presence).toBeTruthy()
  expect(match?.destinationPorts).toEqual([80])
})
