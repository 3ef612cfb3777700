import type { GatewayAddress, Service, Workload } from '@ambient/model'
import { expect, test } from 'vitest'
import { at, mesh, pod, port, serves, service } from '../../test/mesh-fixture.ts'
import { unknownAt, unknownHost } from './unknown-names.ts'

const VIP = '10.96.0.1'
const named = (hostname: string): GatewayAddress => ({
  destination: { kind: 'hostname', namespace: 'shop', hostname },
  hboneMtlsPort: 15_008,
})
const byIp: GatewayAddress = {
  destination: { kind: 'address', network: 'far', ip: '9.9.9.9' },
  hboneMtlsPort: 15_008,
}
const web = pod('web', { addresses: ['10.0.0.2'], ...serves('web', [80, 8080]) })
const webService = service('web', { addresses: [at(VIP)], ports: [port(80, 8080)] })
const waypoint = service('waypoint', { ports: [port(15_008, 15_008)] })
const beyond = pod('beyond', { network: 'far', networkGateway: byIp, ...serves('web', [80, 8080]) })

interface Row {
  readonly name: string
  readonly mesh: readonly (Workload | Service)[]
  readonly ip: string
  readonly network?: string
  readonly expected: readonly string[]
}

const rows: readonly Row[] = [
  { name: 'an address of nobody', mesh: [], ip: '10.0.0.2', expected: ['/10.0.0.2'] },
  { name: 'an address on a network', mesh: [web], ip: '10.0.0.2', network: 'n', expected: ['n/10.0.0.2'] },
  { name: 'nothing of a known pod', mesh: [web], ip: '10.0.0.2', expected: [] },
  { name: 'nothing of a known service', mesh: [webService], ip: VIP, expected: [] },
  {
    name: 'nothing of a service that the client may not see: the control plane would not say more',
    mesh: [{ ...webService, visibility: 'namespace' }],
    ip: VIP,
    expected: [],
  },
  {
    name: 'the waypoint of a pod',
    mesh: [{ ...web, waypoint: named('waypoint') }],
    ip: '10.0.0.2',
    expected: ['shop/waypoint'],
  },
  {
    name: 'the waypoint of a service',
    mesh: [{ ...webService, waypoint: named('waypoint') }],
    ip: VIP,
    expected: ['shop/waypoint'],
  },
  {
    name: 'nothing of a known waypoint',
    mesh: [{ ...webService, waypoint: named('waypoint') }, waypoint],
    ip: VIP,
    expected: [],
  },
  {
    name: 'every weighted waypoint',
    mesh: [
      {
        ...webService,
        weightedWaypoints: [
          { destination: named('waypoint'), weight: 1 },
          { destination: named('canary'), weight: 0 },
        ],
      },
    ],
    ip: VIP,
    expected: ['shop/waypoint', 'shop/canary'],
  },
  {
    name: 'the gateway of an endpoint on another network',
    mesh: [webService, web, beyond],
    ip: VIP,
    expected: ['far/9.9.9.9'],
  },
  {
    name: 'nothing of a known gateway',
    mesh: [webService, beyond, pod('gateway', { network: 'far', addresses: ['9.9.9.9'] })],
    ip: VIP,
    expected: [],
  },
  {
    name: 'the gateway of a waypoint on another network',
    mesh: [
      { ...webService, waypoint: named('waypoint') },
      waypoint,
      pod('w', { network: 'far', networkGateway: byIp, ...serves('waypoint') }),
    ],
    ip: VIP,
    expected: ['far/9.9.9.9'],
  },
]

test.each(rows)('unknownAt() names $name', ({ mesh: parts, ip, network, expected }) => {
  expect(unknownAt(mesh(...parts), network ?? '', ip)).toEqual(expected)
})

test('unknownAt() does not ask for any number of names', () => {
  const many = Array.from({ length: 50 }, (_, i) =>
    pod(`p${i}`, { network: 'far', networkGateway: named(`g${i}`), ...serves('web') }),
  )
  expect(unknownAt(mesh(webService, ...many), '', VIP)).toHaveLength(16)
})

test('unknownHost() names the services of the pod that go by the name', () => {
  const local = pod('local', { services: { 'shop/web': [], 'bank/web': [], 'shop/api': [] } })
  expect(unknownHost(mesh(), local, 'web')).toEqual(['shop/web', 'bank/web'])
  expect(unknownHost(mesh(webService), local, 'web')).toEqual(['bank/web'])
  expect(unknownHost(mesh(), local, 'other')).toEqual([])
})
