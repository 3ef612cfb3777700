import { type Address, defineService, defineWorkload, type GatewayAddress } from '@ambient/model'
import type { AuthorizationPolicy, IpPrefix, Match, ServiceAccountMatch, StringMatch } from '@ambient/policy'

const byAddress: GatewayAddress = {
  destination: { kind: 'address', network: 'network-1', ip: 'fd00::7' },
  hboneMtlsPort: 15_008,
}
const byName: GatewayAddress = {
  destination: { kind: 'hostname', namespace: 'gateways', hostname: 'waypoint.gateways.svc.cluster.local' },
  hboneMtlsPort: 15_008,
}

/** A workload of which every field says something other than its default. */
export const wholeWorkload: Address = {
  kind: 'workload',
  workload: defineWorkload({
    uid: 'cluster-1//Pod/shop/web-7d4b',
    name: 'web-7d4b',
    namespace: 'shop',
    addresses: ['10.244.1.2', 'fd00:10:244::2'],
    network: 'network-1',
    tunnelProtocol: 'hbone',
    trustDomain: 'mesh.example',
    serviceAccount: 'web',
    waypoint: byName,
    networkGateway: byAddress,
    node: 'node-1',
    canonicalName: 'web',
    canonicalRevision: 'v2',
    workloadType: 'job',
    workloadName: 'web',
    nativeTunnel: true,
    authorizationPolicies: ['istio-system/deny-all', 'shop/only-client'],
    status: 'unhealthy',
    clusterId: 'cluster-1',
    hostname: 'web-7d4b.shop.example',
    services: {
      'shop/web.shop.svc.cluster.local': [
        { servicePort: 80, targetPort: 8080, appProtocol: 'http2' },
        { servicePort: 443, targetPort: 8443, appProtocol: 'tls' },
      ],
    },
    applicationTunnel: { protocol: 'proxy', port: 15_088 },
    locality: { region: 'eu', zone: 'eu-1', subzone: 'rack-3' },
    networkMode: 'host-network',
    capacity: 7,
  }),
}

/** A service of which every field says something other than its default. */
export const wholeService: Address = {
  kind: 'service',
  service: defineService({
    name: 'web',
    namespace: 'shop',
    hostname: 'web.shop.svc.cluster.local',
    addresses: [
      { network: 'network-1', ip: '10.96.0.1' },
      { network: 'network-1', ip: 'fd00:10:96::', prefixLength: 112 },
    ],
    ports: [{ servicePort: 80, targetPort: 8080, appProtocol: 'grpc' }],
    subjectAltNames: ['spiffe://mesh.example/ns/shop/sa/web'],
    waypoint: byAddress,
    weightedWaypoints: [
      { destination: byName, weight: 30 },
      { destination: byAddress, weight: 70 },
    ],
    loadBalancing: {
      routingPreference: ['network', 'region', 'zone'],
      mode: 'failover',
      healthPolicy: 'allow-all',
    },
    ipFamilies: 'dual',
    canonical: true,
    ingressUseWaypoint: true,
    visibility: 'namespace',
  }),
}

const strings: readonly StringMatch[] = [
  { kind: 'exact', value: 'a' },
  { kind: 'prefix', value: 'b' },
  { kind: 'suffix', value: 'c' },
  { kind: 'presence' },
]
const prefixes: readonly IpPrefix[] = [
  { ip: '10.0.0.0', length: 8 },
  { ip: 'fd00::', length: 16 },
]
const accounts: readonly ServiceAccountMatch[] = [{ namespace: 'shop', serviceAccount: 'client' }]
const everything: Match = {
  namespaces: strings,
  notNamespaces: strings,
  principals: strings,
  notPrincipals: strings,
  sourceIps: prefixes,
  notSourceIps: prefixes,
  destinationIps: prefixes,
  notDestinationIps: prefixes,
  destinationPorts: [80, 443],
  notDestinationPorts: [22],
  serviceAccounts: accounts,
  notServiceAccounts: accounts,
}

/** A policy of which every field says something other than its default. */
export const wholePolicy: AuthorizationPolicy = {
  name: 'only-client',
  namespace: 'shop',
  scope: 'workload-selector',
  action: 'deny',
  dryRun: true,
  rules: [[[everything, { destinationPorts: [1] }]], [[{ principals: strings }], [{ namespaces: strings }]]],
}
