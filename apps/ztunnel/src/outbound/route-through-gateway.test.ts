import type { GatewayAddress, Workload } from '@ambient/model'
import { expect, test } from 'vitest'
import { at, mesh, pod, port, serves, service } from '../../test/mesh-fixture.ts'
import {
  brief,
  dial,
  type OutboundRow,
  spiffe,
  VIP,
  WAYPOINT,
  waypointPod,
  waypointService,
  web,
  webService,
} from '../../test/outbound-fixture.ts'

const byIp: GatewayAddress = {
  destination: { kind: 'address', network: 'far', ip: '9.9.9.9' },
  hboneMtlsPort: 15_008,
}
const byName: GatewayAddress = {
  destination: { kind: 'hostname', namespace: 'shop', hostname: 'gateway' },
  hboneMtlsPort: 15_443,
}
/** What the control plane sends for all endpoints of a service on one other network. */
const beyond = (gateway: GatewayAddress | undefined, over: Partial<Workload> = {}): Workload =>
  pod('beyond', {
    network: 'far',
    networkGateway: gateway,
    capacity: 3,
    ...serves('web', [80, 8080]),
    ...over,
  })
const gatewayPod = pod('gateway', { network: 'far', addresses: ['9.9.9.9'], serviceAccount: 'gateway' })
const gatewayService = service('gateway', { ports: [port(15_443, 15_008)], subjectAltNames: [spiffe('gw2')] })
const gatewayEndpoint: Workload = { ...gatewayPod, ...serves('gateway') }
const remoteWeb = { ...webService, subjectAltNames: [spiffe('web'), spiffe('api')] }
const through = 'double-hbone 9.9.9.9:15008 for web:80 as'

const rows: readonly OutboundRow[] = [
  {
    name: 'goes through the gateway to a service on another network, by name and service port',
    mesh: [beyond(byIp), gatewayPod, remoteWeb],
    to: [VIP, 80],
    expected: `${through} gateway, inside web+api`,
  },
  {
    name: 'finds the gateway by the name of its service, which may have further names',
    mesh: [beyond(byName), gatewayEndpoint, gatewayService, remoteWeb],
    to: [VIP, 80],
    expected: `${through} gw2+gateway, inside web+api`,
  },
  {
    name: 'finds the gateway by the name of a workload',
    mesh: [beyond({ ...byName, hboneMtlsPort: 15_008 }), { ...gatewayPod, hostname: 'gateway' }, remoteWeb],
    to: [VIP, 80],
    expected: `${through} gateway, inside web+api`,
  },
  {
    name: 'dials a gateway given by name in the family of what was dialled',
    mesh: [
      beyond(byName),
      { ...gatewayEndpoint, addresses: ['9.9.9.9', 'fd99::9'] },
      gatewayService,
      { ...remoteWeb, addresses: [at('fd00:96::1')] },
    ],
    to: ['fd00:96::1', 80],
    expected: 'double-hbone fd99::9:15008 for web:80 as gw2+gateway, inside web+api',
  },
  {
    name: 'goes through the gateway to a waypoint on another network',
    mesh: [
      gatewayPod,
      { ...waypointPod, addresses: [], network: 'far', networkGateway: byIp },
      { ...waypointService, subjectAltNames: [spiffe('waypoint')] },
      { ...remoteWeb, waypoint: WAYPOINT },
    ],
    to: [VIP, 80],
    expected: `waypoint ${through} gateway, inside waypoint`,
  },
  {
    name: 'never uses the gateway of an endpoint on its own network',
    mesh: [beyond(byIp, { network: '', addresses: ['10.0.0.2'] }), gatewayPod, remoteWeb],
    to: [VIP, 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web+api+default',
  },
  {
    name: 'skips an endpoint that is said to be on its own network and has no address',
    mesh: [beyond(byIp, { network: '' }), gatewayPod, remoteWeb],
    to: [VIP, 80],
    expected: 'reject NO_HEALTHY_UPSTREAM',
  },
  {
    name: 'goes to its own network first if the service prefers that',
    mesh: [
      beyond(byIp, { capacity: 1_000_000 }),
      gatewayPod,
      web,
      {
        ...remoteWeb,
        loadBalancing: { routingPreference: ['network'], mode: 'failover', healthPolicy: 'only-healthy' },
      },
    ],
    to: [VIP, 80],
    expected: 'hbone 10.0.0.2:15008 for 10.0.0.2:8080 as web+api',
  },
  {
    name: 'fails over to another network when its own has no healthy endpoint',
    mesh: [
      beyond(byIp),
      gatewayPod,
      { ...web, status: 'unhealthy' },
      {
        ...remoteWeb,
        loadBalancing: { routingPreference: ['network'], mode: 'failover', healthPolicy: 'only-healthy' },
      },
    ],
    to: [VIP, 80],
    expected: `${through} gateway, inside web+api`,
  },
  {
    name: 'fails over to another network when all of its own were tried',
    mesh: [
      beyond(byIp),
      gatewayPod,
      web,
      {
        ...remoteWeb,
        loadBalancing: { routingPreference: ['network'], mode: 'failover', healthPolicy: 'only-healthy' },
      },
    ],
    to: [VIP, 80],
    over: { avoid: { tried: new Set([`${web.uid}|8080`]), failing: new Set() } },
    expected: `${through} gateway, inside web+api`,
  },
  {
    name: 'resolves the host name of a gateway that has no address',
    mesh: [
      beyond(byName),
      { ...gatewayEndpoint, addresses: [], hostname: 'gw.example' },
      gatewayService,
      remoteWeb,
    ],
    to: [VIP, 80],
    expected:
      'resolve gw.example, then double-hbone 192.0.2.7:15008 for web:80 as gw2+gateway, inside web+api',
  },
  {
    name: 'refuses when the gateway is unknown',
    mesh: [beyond(byIp), remoteWeb],
    to: [VIP, 80],
    expected: 'reject NETWORK_GATEWAY_UNKNOWN',
  },
  {
    name: 'refuses when no pod of the gateway is ready',
    mesh: [beyond(byName), { ...gatewayEndpoint, status: 'unhealthy' }, gatewayService, remoteWeb],
    to: [VIP, 80],
    expected: 'reject NETWORK_GATEWAY_UNKNOWN',
  },
  {
    name: 'refuses when the gateway’s service lacks the port',
    mesh: [beyond({ ...byName, hboneMtlsPort: 15_444 }), gatewayEndpoint, gatewayService, remoteWeb],
    to: [VIP, 80],
    expected: 'reject NETWORK_GATEWAY_UNKNOWN',
  },
  {
    name: 'refuses when the endpoint has an address there but no gateway',
    mesh: [beyond(undefined, { addresses: ['10.0.0.2'] }), remoteWeb],
    to: [VIP, 80],
    expected: 'reject NETWORK_GATEWAY_UNKNOWN',
  },
  {
    name: 'refuses a pod’s waypoint on another network, since no service was dialled',
    mesh: [
      gatewayPod,
      { ...waypointPod, addresses: [], network: 'far', networkGateway: byIp },
      { ...waypointService, subjectAltNames: [spiffe('waypoint')] },
      { ...web, waypoint: WAYPOINT },
    ],
    to: ['10.0.0.2', 8080],
    expected: 'reject NETWORK_GATEWAY_UNKNOWN',
  },
  {
    name: 'refuses when the service does not say who may answer there',
    mesh: [beyond(byIp), gatewayPod, webService],
    to: [VIP, 80],
    expected: 'reject REMOTE_IDENTITY_UNKNOWN',
  },
  {
    name: 'does not take the gateway’s word for the endpoint: its identity is not accepted inside',
    mesh: [beyond(byIp, { serviceAccount: 'gateway' }), gatewayPod, remoteWeb],
    to: [VIP, 80],
    expected: `${through} gateway, inside web+api`,
  },
]

test.each(rows)('resolveDestination() $name', ({ mesh: parts, to: [ip, portNumber], over, expected }) => {
  expect(brief(dial(mesh(...parts), ip, portNumber, over))).toBe(expected)
})

test('resolveDestination() names all it has picked on the way, so that a retry can pick another', () => {
  const route = dial(mesh(beyond(byName), gatewayEndpoint, gatewayService, remoteWeb), VIP, 80)
  expect(route).toMatchObject({
    destinationWorkload: { name: 'gateway' },
    destinationService: { hostname: 'web' },
    choices: [`${gatewayPod.uid}|15008`, 'Kubernetes//Pod/shop/beyond|8080'],
  })
})
