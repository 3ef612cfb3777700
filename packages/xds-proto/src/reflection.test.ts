import { Root } from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor.js'
import { expect, test } from 'vitest'
import { describingFiles, encodeWireAddress } from './index.ts'

/** What a reader of descriptors makes of the files that describe `symbol`, in the order they come in. */
function reflected(symbol: string): Root {
  const file = (describingFiles({ kind: 'symbol', name: symbol }) ?? []).map(
    (bytes) => descriptor.FileDescriptorProto.decode(bytes) as object,
  )
  const root = Root.fromDescriptor({ file })
  root.resolveAll()
  return root
}

test.each([
  'envoy.service.discovery.v3.AggregatedDiscoveryService',
  'envoy.service.discovery.v3.AggregatedDiscoveryService.DeltaAggregatedResources',
  'istio.v1.auth.IstioCertificateService',
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
  'istio.workload.Address',
  'istio.security.Authorization',
  'envoy.service.status.v3.ClientConfig.GenericXdsConfig',
])('describingFiles() gives files that are whole, with %s in them', (symbol) => {
  expect(reflected(symbol).lookup(symbol)).not.toBeNull()
})

test('describingFiles() gives each file after those that it imports, and each once', () => {
  const files = (describingFiles({ kind: 'file', name: 'status.proto' }) ?? []).map((bytes) =>
    descriptor.FileDescriptorProto.toObject(descriptor.FileDescriptorProto.decode(bytes)),
  ) as { readonly name: string; readonly dependency?: readonly string[] }[]
  const names = files.map(({ name }) => name)
  expect(names.at(-1)).toBe('status.proto')
  expect(new Set(names).size).toBe(names.length)
  for (const [at, { dependency = [] }] of files.entries())
    expect(names.slice(0, at)).toEqual(expect.arrayContaining([...dependency]))
})

test('what describingFiles() gives reads what is sent, maps and enums included', () => {
  const bytes = encodeWireAddress({
    workload: {
      uid: 'u',
      tunnelProtocol: 1,
      services: { 'shop/web': { ports: [{ servicePort: 80, targetPort: 8080 }] } },
    },
  })
  const type = reflected('istio.workload.Address').lookupType('istio.workload.Address')
  expect(type.toObject(type.decode(bytes), { enums: String })).toEqual({
    workload: {
      uid: 'u',
      tunnelProtocol: 'HBONE',
      services: { 'shop/web': { ports: [{ servicePort: 80, targetPort: 8080 }] } },
    },
  })
})

test('describingFiles() knows no other names', () => {
  expect(describingFiles({ kind: 'symbol', name: 'ca.proto' })).toBeUndefined()
  expect(describingFiles({ kind: 'file', name: 'constructor' })).toBeUndefined()
})
