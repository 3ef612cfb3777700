import { expect, test } from 'vitest'
import { at, mesh, pod } from '../../test/mesh-fixture.ts'
import {
  brief,
  client,
  dial,
  type OutboundRow,
  spiffe,
  throughWaypoint,
  VIP,
  waypointPod,
  waypointService,
  WAYPOINT,
  web,
  webService,
} from '../../test/outbound-fixture.ts'

const rows: readonly OutboundRow[] = [
  // Waypoints of services.
  {
    name: 'sends service traffic to its waypoint, authority untranslated',
    mesh: [web, waypointService, waypointPod, { ...webService, waypoint: WAYPOINT }],
    to: [VIP, 80],
    expected: throughWaypoint,
  },
  {
    name: 'sends it there even if the service has no endpoint',
    mesh: [waypointService, waypointPod, { ...webService, waypoint: WAYPOINT }],
    to: [VIP, 80],
    expected: throughWaypoint,
  },
  {
    name: 'finds a waypoint by the address of its service',
    mesh: [
      waypointService,
      waypointPod,
      {
        ...webService,
        waypoint: { destination: { kind: 'address', network: '', ip: '10.96.0.9' }, hboneMtlsPort: 15008 },
      },
    ],
    to: [VIP, 80],
    expected: throughWaypoint,
  },
  {
    name: 'finds a waypoint by the address of its pod',
    mesh: [
      waypointPod,
      {
        ...webService,
        waypoint: { destination: { kind: 'address', network: '', ip: '10.0.0.9' }, hboneMtlsPort: 15088 },
      },
    ],
    to: [VIP, 80],
    expected: `waypoint hbone 10.0.0.9:15088 for ${VIP}:80 as waypoint`,
  },
  {
    name: 'finds a waypoint that is a workload with a host name',
    mesh: [
      pod('vm', { addresses: ['10.0.0.7'], hostname: 'waypoint', serviceAccount: 'vm' }),
      { ...webService, waypoint: WAYPOINT },
    ],
    to: [VIP, 80],
    expected: `waypoint hbone 10.0.0.7:15008 for ${VIP}:80 as vm`,
  },
  {
    name: 'prefers a service of that name',
    mesh: [
      pod('vm', { addresses: ['10.0.0.7'], hostname: 'waypoint', serviceAccount: 'vm' }),
      waypointService,
      waypointPod,
      { ...webService, waypoint: WAYPOINT },
    ],
    to: [VIP, 80],
    expected: throughWaypoint,
  },
  {
    name: 'takes no workload of that name in another namespace',
    mesh: [
      pod('vm', { addresses: ['10.0.0.7'], hostname: 'waypoint', namespace: 'bank' }),
      { ...webService, waypoint: WAYPOINT },
    ],
    to: [VIP, 80],
    expected: 'reject WAYPOINT_UNKNOWN',
  },
  {
    name: 'dials a waypoint given by name in the family of what was dialled',
    mesh: [
      waypointService,
      { ...waypointPod, addresses: ['10.0.0.9', 'fd00::9'] },
      { ...webService, addresses: [at('fd00:96::1')], waypoint: WAYPOINT },
    ],
    to: ['fd00:96::1', 80],
    expected: 'waypoint hbone fd00::9:15008 for [fd00:96::1]:80 as waypoint',
  },
  {
    name: 'dials a waypoint given by IPv4 address in IPv4',
    mesh: [
      { ...waypointPod, addresses: ['fd00::9', '10.0.0.9'] },
      {
        ...webService,
        addresses: [at('fd00:96::1')],
        waypoint: { destination: { kind: 'address', network: '', ip: '10.0.0.9' }, hboneMtlsPort: 15008 },
      },
    ],
    to: ['fd00:96::1', 80],
    expected: 'waypoint hbone 10.0.0.9:15008 for [fd00:96::1]:80 as waypoint',
  },
  {
    name: 'resolves the host name of a waypoint pod that has no address',
    mesh: [
      waypointService,
      { ...waypointPod, addresses: [], hostname: 'waypoint.example' },
      { ...webService, waypoint: WAYPOINT },
    ],
    to: [VIP, 80],
    expected: `resolve waypoint.example, then waypoint hbone 192.0.2.7:15008 for ${VIP}:80 as waypoint`,
  },
  {
    name: 'refuses a waypoint that has neither address nor host name',
    mesh: [
      {
        ...waypointPod,
        networkMode: 'host-network',
        addresses: [],
        hostname: '',
        services: {},
      },
      { ...webService, waypoint: WAYPOINT },
    ],
    to: [VIP, 80],
    expected: 'reject WAYPOINT_UNKNOWN',
  },
  {
    name: 'accepts the waypoint service’s further names',
    mesh: [
      { ...waypointService, subjectAltNames: [spiffe('wp2')] },
      waypointPod,
      { ...webService, waypoint: WAYPOINT },
    ],
    to: [VIP, 80],
    expected: `waypoint hbone 10.0.0.9:15008 for ${VIP}:80 as wp2+waypoint`,
  },
  {
    name: 'refuses when the waypoint is unknown',
    mesh: [web, { ...webService, waypoint: WAYPOINT }],
    to: [VIP, 80],
    expected: 'reject WAYPOINT_UNKNOWN',
  },
  {
    name: 'refuses when no waypoint pod is ready',
    mesh: [
      web,
      waypointService,
      { ...waypointPod, status: 'unhealthy' },
      { ...webService, waypoint: WAYPOINT },
    ],
    to: [VIP, 80],
    expected: 'reject WAYPOINT_UNKNOWN',
  },
  {
    name: 'takes a waypoint pod with an application tunnel for a port its service lacks',
    mesh: [
      { ...waypointService, ports: [] },
      {
        ...waypointPod,
        services: { 'shop/waypoint': [] },
        applicationTunnel: { protocol: 'proxy', port: 15088 },
      },
      { ...webService, waypoint: WAYPOINT },
    ],
    to: [VIP, 80],
    expected: throughWaypoint,
  },
  {
    name: 'sends a passthrough service with a waypoint to the waypoint',
    mesh: [
      waypointService,
      waypointPod,
      {
        ...webService,
        waypoint: WAYPOINT,
        loadBalancing: { routingPreference: [], mode: 'passthrough', healthPolicy: 'allow-all' },
      },
    ],
    to: [VIP, 80],
    expected: throughWaypoint,
  },
  {
    name: 'never uses the waypoint of the source',
    mesh: [web, webService, waypointService, waypointPod],
    to: [VIP, 80],
    over: { source: { ...client, waypoint: WAYPOINT } },
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },

  // Waypoints of workloads.
  {
    name: 'sends pod traffic to the pod’s waypoint',
    mesh: [{ ...web, waypoint: WAYPOINT }, waypointService, waypointPod],
    to: ['10.0.0.2', 8080],
    expected: 'waypoint hbone 10.0.0.9:15008 for 10.0.0.2:8080 as waypoint',
  },
  {
    name: 'never uses a pod’s waypoint for service traffic',
    mesh: [{ ...web, waypoint: WAYPOINT }, webService, waypointService, waypointPod],
    to: [VIP, 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },
  {
    name: 'lets the waypoint itself go to its pod',
    mesh: [{ ...web, waypoint: WAYPOINT }, waypointService, waypointPod],
    to: ['10.0.0.2', 8080],
    over: { source: waypointPod, sourceIp: '10.0.0.9' },
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },
  {
    name: 'does not believe the waypoint’s identity from another address',
    mesh: [{ ...web, waypoint: WAYPOINT }, waypointService, waypointPod],
    to: ['10.0.0.2', 8080],
    over: { source: waypointPod, sourceIp: '10.0.0.66' },
    expected: 'waypoint hbone 10.0.0.9:15008 for 10.0.0.2:8080 as waypoint',
  },
  {
    name: 'does not believe the waypoint’s address from another identity',
    mesh: [{ ...web, waypoint: WAYPOINT }, waypointService, waypointPod],
    to: ['10.0.0.2', 8080],
    over: { sourceIp: '10.0.0.9' },
    expected: 'waypoint hbone 10.0.0.9:15008 for 10.0.0.2:8080 as waypoint',
  },
  {
    name: 'lets the waypoint itself go to its pod when it is named by its pod’s address',
    mesh: [
      {
        ...web,
        waypoint: { destination: { kind: 'address', network: '', ip: '10.0.0.9' }, hboneMtlsPort: 15008 },
      },
      waypointPod,
    ],
    to: ['10.0.0.2', 8080],
    over: { source: waypointPod, sourceIp: '10.0.0.9' },
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },
  {
    name: 'lets any pod of the waypoint go to its pod',
    mesh: [
      { ...web, waypoint: WAYPOINT },
      waypointService,
      waypointPod,
      {
        ...waypointPod,
        uid: 'Kubernetes//Pod/shop/waypoint-2',
        name: 'waypoint-2',
        addresses: ['10.0.0.19'],
      },
    ],
    to: ['10.0.0.2', 8080],
    over: { source: { ...waypointPod, addresses: ['10.0.0.19'] }, sourceIp: '10.0.0.19' },
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web',
  },
  {
    name: 'refuses when a pod’s waypoint is unknown',
    mesh: [{ ...web, waypoint: WAYPOINT }],
    to: ['10.0.0.2', 8080],
    expected: 'reject WAYPOINT_UNKNOWN',
  },
]

test.each(rows)('resolveDestination() $name', ({ mesh: parts, to: [ip, portNumber], over, expected }) => {
  expect(brief(dial(mesh(...parts), ip, portNumber, over))).toBe(expected)
})

test('resolveDestination() shares connections among weighted waypoints by weight, and not otherwise', () => {
  const toward = (ip: string, weight: number) => ({
    destination: { destination: { kind: 'address' as const, network: '', ip }, hboneMtlsPort: 15008 },
    weight,
  })
  const other = pod('other', { addresses: ['10.0.0.8'] })
  const hop = (float: number, weights: readonly [number, number]): string => {
    const weighted = {
      ...webService,
      waypoint: WAYPOINT,
      weightedWaypoints: [toward('10.0.0.9', weights[0]), toward('10.0.0.8', weights[1])],
    }
    const route = dial(mesh(waypointPod, other, weighted, { ...waypointService, hostname: 'x' }), VIP, 80, {
      random: { float: () => float },
    })
    return route.kind === 'hbone' ? route.nextHop.ip : brief(route)
  }
  expect([hop(0, [3, 1]), hop(0.74, [3, 1]), hop(0.76, [3, 1]), hop(0.999, [0, 1])]).toEqual([
    '10.0.0.9',
    '10.0.0.9',
    '10.0.0.8',
    '10.0.0.8',
  ])
  expect(hop(0.5, [0, 0])).toBe('reject WAYPOINT_UNKNOWN') // falls back to the single one, which nobody serves here
})
