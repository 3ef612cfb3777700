import {
  type Address,
  defineService,
  defineWorkload,
  type GatewayAddress,
  type PortMapping,
} from '@ambient/model'
import { encodeWireAddress, type WireAddress, type WireService, type WireWorkload } from '@ambient/xds-proto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeAddress, encodeAddressResource, XdsError } from './index.ts'

const text = fc.stringMatching(/^[a-z0-9.-]{0,12}$/)
const named = fc.stringMatching(/^[a-z0-9.-]{1,12}$/)
const ip = fc.oneof(fc.ipV4(), fc.constantFrom('fd00::1', '2001:db8::5', '::1'))
const port: fc.Arbitrary<PortMapping> = fc.record({
  servicePort: fc.nat(65_535),
  targetPort: fc.nat(65_535),
  appProtocol: fc.constantFrom('unknown', 'http11', 'http2', 'grpc', 'tcp', 'tls'),
})
const ports = fc.array(port, { maxLength: 3 })
const gateway: fc.Arbitrary<GatewayAddress> = fc.record({
  destination: fc.oneof(
    fc.record({ kind: fc.constant('hostname' as const), namespace: text, hostname: text }),
    fc.record({ kind: fc.constant('address' as const), network: text, ip }),
  ),
  hboneMtlsPort: fc.nat(65_535),
})
const maybeGateway = fc.option(gateway, { nil: undefined })
const membership = fc.dictionary(
  fc.tuple(named, named).map(([namespace, host]) => `${namespace}/${host}`),
  ports,
  { noNullPrototype: true, maxKeys: 4 },
)

const workload: fc.Arbitrary<Address> = fc
  .record({
    uid: named,
    name: text,
    namespace: text,
    addresses: fc.array(ip, { maxLength: 3 }),
    network: text,
    trustDomain: named,
    serviceAccount: named,
    node: text,
    clusterId: named,
    hostname: text,
    canonicalName: text,
    canonicalRevision: text,
    workloadName: text,
    waypoint: maybeGateway,
    networkGateway: maybeGateway,
    nativeTunnel: fc.boolean(),
    tunnelProtocol: fc.constantFrom('none', 'hbone'),
    workloadType: fc.constantFrom('deployment', 'cronjob', 'pod', 'job'),
    status: fc.constantFrom('healthy', 'unhealthy'),
    networkMode: fc.constantFrom('standard', 'host-network'),
    authorizationPolicies: fc.array(text, { maxLength: 3 }),
    services: membership,
    capacity: fc.nat(1000),
    applicationTunnel: fc.option(
      fc.record({ protocol: fc.constantFrom('none', 'proxy'), port: fc.nat(65_535) }),
      { nil: undefined },
    ),
    locality: fc.record({ region: text, zone: text, subzone: text }),
  })
  .map((known) => ({ kind: 'workload', workload: defineWorkload(known) }))

const service: fc.Arbitrary<Address> = fc
  .record({
    name: text,
    namespace: text,
    hostname: named,
    ports,
    subjectAltNames: fc.array(text, { maxLength: 2 }),
    waypoint: maybeGateway,
    canonical: fc.boolean(),
    ingressUseWaypoint: fc.boolean(),
    addresses: fc.array(
      fc.oneof(
        fc.record({ network: text, ip }),
        fc.record({ network: text, ip: fc.ipV4(), prefixLength: fc.nat(31) }),
      ),
      { maxLength: 3 },
    ),
    weightedWaypoints: fc.array(fc.record({ destination: gateway, weight: fc.nat(100) }), { maxLength: 2 }),
    loadBalancing: fc.option(
      fc.record({
        routingPreference: fc.array(
          fc.constantFrom('region', 'zone', 'subzone', 'node', 'cluster', 'network'),
          { maxLength: 3 },
        ),
        mode: fc.constantFrom('unspecified', 'strict', 'failover', 'passthrough'),
        healthPolicy: fc.constantFrom('only-healthy', 'allow-all'),
      }),
      { nil: undefined },
    ),
    ipFamilies: fc.constantFrom('automatic', 'ipv4-only', 'ipv6-only', 'dual'),
    visibility: fc.constantFrom('public', 'namespace'),
  })
  .map((known) => ({ kind: 'service', service: defineService(known) }))

test.each([
  { name: 'workload', addresses: workload },
  { name: 'service', addresses: service },
])('decodeAddress() gives back the $name that encodeAddressResource() took', ({ addresses }) => {
  fc.assert(
    fc.property(addresses, (address) => {
      expect(decodeAddress(encodeAddressResource(address).bytes)).toEqual(address)
    }),
  )
})

test('encodeAddressResource() gives equal bytes and version whatever the order of the services', () => {
  fc.assert(
    fc.property(membership, (services) => {
      const [one, other] = [services, Object.fromEntries(Object.entries(services).toReversed())].map((each) =>
        encodeAddressResource({
          kind: 'workload',
          workload: defineWorkload({ uid: 'a', name: 'a', namespace: 'b', services: each }),
        }),
      )
      expect(one).toEqual(other)
    }),
  )
})

describe('decodeAddress() refuses', () => {
  const w = (part: WireWorkload): WireAddress => ({ workload: { uid: 'u', ...part } })
  const s = (part: WireService): WireAddress => ({ service: { hostname: 'h', ...part } })
  test.each<{ name: string; wire: WireAddress }>([
    ...[0, 3, 5, 15, 17].map((length) => ({
      name: `an address of ${length} bytes`,
      wire: w({ addresses: [new Uint8Array(length)] }),
    })),
    { name: 'a service address of 5 bytes', wire: s({ addresses: [{ address: new Uint8Array(5) }] }) },
    { name: 'the legacy tunnel', wire: w({ tunnelProtocol: 2 }) },
    { name: 'an unknown tunnel', wire: w({ tunnelProtocol: 99 }) },
    { name: 'an unknown status', wire: w({ status: 99 }) },
    { name: 'an unknown workload type', wire: w({ workloadType: 99 }) },
    { name: 'an unknown network mode', wire: w({ networkMode: 99 }) },
    { name: 'an unknown application tunnel', wire: w({ applicationTunnel: { protocol: 99 } }) },
    { name: 'an unknown app protocol', wire: s({ ports: [{ appProtocol: 99 }] }) },
    { name: 'an unknown load balancing mode', wire: s({ loadBalancing: { mode: 99 } }) },
    { name: 'an unknown health policy', wire: s({ loadBalancing: { healthPolicy: 99 } }) },
    { name: 'unknown IP families', wire: s({ ipFamilies: 99 }) },
    { name: 'the unspecified scope', wire: s({ loadBalancing: { routingPreference: [0] } }) },
    { name: 'an unknown scope', wire: s({ loadBalancing: { routingPreference: [99] } }) },
    { name: 'a membership without slash', wire: w({ services: { web: { ports: [] } } }) },
    { name: 'a waypoint without destination', wire: w({ waypoint: { hboneMtlsPort: 15_008 } }) },
    { name: 'a network gateway without destination', wire: w({ networkGateway: {} }) },
    { name: 'a weighted waypoint without destination', wire: s({ weightedWaypoints: [{ weight: 1 }] }) },
    {
      name: 'a prefix longer than its address',
      wire: s({ addresses: [{ address: new Uint8Array(4), length: 33 }] }),
    },
    { name: 'a workload without uid', wire: { workload: {} } },
    { name: 'a service without hostname', wire: { service: {} } },
    { name: 'nothing', wire: {} },
  ])('$name', ({ wire }) => {
    expect(() => decodeAddress(encodeWireAddress(wire))).toThrow(XdsError)
  })
})

describe('decodeAddress() applies the defaults', () => {
  test('of a workload that says its uid only', () => {
    const decoded = decodeAddress(encodeWireAddress({ workload: { uid: 'u' } }))
    expect(decoded).toEqual({
      kind: 'workload',
      workload: defineWorkload({ uid: 'u', name: '', namespace: '' }),
    })
    expect(decoded).toMatchObject({
      workload: {
        trustDomain: 'cluster.local',
        serviceAccount: 'default',
        clusterId: 'Kubernetes',
        capacity: 1,
      },
    })
  })

  test.each([
    {
      name: 'a capacity of nothing as 0',
      wire: { workload: { uid: 'u', capacity: {} } },
      read: { workload: { capacity: 0 } },
    },
    {
      name: 'an unknown visibility as public',
      wire: { service: { hostname: 'h', visibility: 99 } },
      read: { service: { visibility: 'public' } },
    },
    {
      name: 'a prefix of the whole address as none',
      wire: { service: { hostname: 'h', addresses: [{ address: Uint8Array.of(10, 0, 0, 1), length: 32 }] } },
      read: { service: { addresses: [{ network: '', ip: '10.0.0.1' }] } },
    },
  ])('$name', ({ wire, read }) => {
    expect(decodeAddress(encodeWireAddress(wire))).toMatchObject(read)
  })
})
