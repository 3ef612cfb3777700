import { fieldsOfYaml } from '@ambient/kube'
import { expect, test } from 'vitest'
import { ConfigError } from '../env-values.ts'
import { loadLocalMesh } from './load-local-mesh.ts'
import { readLocalMesh } from './read-local-mesh.ts'

const read = (text: string) => readLocalMesh(fieldsOfYaml('the mesh', text)).delta

const WORKLOAD = 'workloads: [{ namespace: shop, name: web, workloadIps: [10.0.0.1]'
const SERVICE = 'services: [{ namespace: shop, name: web, hostname: web.example, vips: [/10.1.0.1], ports: {}'
const POLICY = 'policies: [{ namespace: shop, name: p, scope: Global, action: Deny, rules: []'
const MATCH = 'policies: [{ namespace: shop, name: p, scope: Global, action: Deny, rules: [[['

const tail = { WORKLOAD: ' }]', SERVICE: ' }]', POLICY: ' }]', MATCH: ']]] }]' }
const workloadWith = (text: string) => read(`${WORKLOAD}, ${text}${tail.WORKLOAD}`).addresses.upserts[0]
const serviceWith = (text: string) => read(`${SERVICE}, ${text}${tail.SERVICE}`).addresses.upserts[0]
const matchWith = (text: string) =>
  read(`${MATCH}${text}${tail.MATCH}`).policies.upserts[0]?.rules[0]?.[0]?.[0]

test.each([
  {
    text: 'serviceAccount: web, trustDomain: td, network: n1, node: a, clusterId: c1, hostname: web.example',
    expected: {
      serviceAccount: 'web',
      trustDomain: 'td',
      network: 'n1',
      node: 'a',
      clusterId: 'c1',
      hostname: 'web.example',
    },
  },
  {
    text: 'uid: u1, workloadName: w, workloadType: cronjob, canonicalName: n, canonicalRevision: v1',
    expected: {
      uid: 'u1',
      workloadName: 'w',
      workloadType: 'cronjob',
      canonicalName: 'n',
      canonicalRevision: 'v1',
    },
  },
  { text: 'clusterId: c1', expected: { uid: 'c1//Pod/shop/web' } },
  {
    text: 'trustDomain: "", serviceAccount: ""',
    expected: { trustDomain: 'cluster.local', serviceAccount: 'default' },
  },
  { text: 'protocol: TCP', expected: { tunnelProtocol: 'none' } },
  { text: 'protocol: HBONE', expected: { tunnelProtocol: 'hbone' } },
  { text: 'networkMode: HostNetwork', expected: { networkMode: 'host-network' } },
  { text: 'nativeTunnel: true', expected: { nativeTunnel: true } },
  { text: 'status: Unhealthy', expected: { status: 'unhealthy' } },
  { text: 'capacity: 0', expected: { capacity: 0 } },
  {
    text: 'waypoint: { destination: n1/10.0.0.9, hboneMtlsPort: 15008 }',
    expected: {
      waypoint: { destination: { kind: 'address', network: 'n1', ip: '10.0.0.9' }, hboneMtlsPort: 15_008 },
    },
  },
  {
    text: 'waypoint: { destination: "/fd00:0::9", hboneMtlsPort: 15008 }',
    expected: { waypoint: { destination: { kind: 'address', network: '', ip: 'fd00::9' } } },
  },
  {
    text: 'networkGateway: { destination: gw/gw.example, hboneMtlsPort: 15010 }',
    expected: {
      networkGateway: {
        destination: { kind: 'hostname', namespace: 'gw', hostname: 'gw.example' },
        hboneMtlsPort: 15_010,
      },
    },
  },
  {
    text: 'applicationTunnel: { protocol: PROXY, port: 15088 }',
    expected: { applicationTunnel: { protocol: 'proxy', port: 15_088 } },
  },
  {
    text: 'applicationTunnel: { protocol: NONE }',
    expected: { applicationTunnel: { protocol: 'none', port: 0 } },
  },
  { text: 'authorizationPolicies: [shop/p]', expected: { authorizationPolicies: ['shop/p'] } },
  {
    text: 'locality: { region: r, zone: z, subzone: s }',
    expected: { locality: { region: 'r', zone: 'z', subzone: 's' } },
  },
  { text: 'locality: { region: r }', expected: { locality: { region: 'r', zone: '', subzone: '' } } },
  {
    text: 'services: { "shop/web.example": { 80: 8080, 443: 0 } }',
    expected: {
      services: {
        'shop/web.example': [
          { servicePort: 80, targetPort: 8080 },
          { servicePort: 443, targetPort: 0 },
        ],
      },
    },
  },
])('a workload with $text', ({ text, expected }) => {
  expect(workloadWith(text)).toMatchObject({ kind: 'workload', workload: expected })
})

test('a workload needs no more than a namespace and addresses', () => {
  expect(read('workloads: [{ namespace: shop, workloadIps: [] }]').addresses.upserts).toMatchObject([
    {
      workload: { namespace: 'shop', addresses: [], tunnelProtocol: 'none', status: 'healthy', capacity: 1 },
    },
  ])
})

test.each([
  {
    text: 'cidrVips: [n1/10.2.0.0/16], subjectAltNames: ["spiffe://a/ns/b/sa/c"]',
    expected: {
      addresses: [
        { network: '', ip: '10.1.0.1' },
        { network: 'n1', ip: '10.2.0.0', prefixLength: 16 },
      ],
      subjectAltNames: ['spiffe://a/ns/b/sa/c'],
    },
  },
  {
    text: 'waypoint: { destination: shop/waypoint.example, hboneMtlsPort: 15008 }',
    expected: {
      waypoint: { destination: { kind: 'hostname', namespace: 'shop', hostname: 'waypoint.example' } },
    },
  },
  {
    text: 'weightedWaypoints: [{ destination: { destination: /10.0.0.9, hboneMtlsPort: 15008 }, weight: 3 }]',
    expected: {
      weightedWaypoints: [
        {
          destination: { destination: { kind: 'address', network: '', ip: '10.0.0.9' } },
          weight: 3,
        },
      ],
    },
  },
  {
    text: 'loadBalancer: { routingPreferences: [Network, Region, Zone, Subzone, Node, Cluster], mode: Failover, healthPolicy: AllowAll }',
    expected: {
      loadBalancing: {
        routingPreference: ['network', 'region', 'zone', 'subzone', 'node', 'cluster'],
        mode: 'failover',
        healthPolicy: 'allow-all',
      },
    },
  },
  ...(['Standard', 'Strict', 'Failover', 'Passthrough'] as const).map((mode) => ({
    text: `loadBalancer: { routingPreferences: [], mode: ${mode}, healthPolicy: OnlyHealthy }`,
    expected: {
      loadBalancing: {
        routingPreference: [],
        mode: mode === 'Standard' ? 'unspecified' : mode.toLowerCase(),
        healthPolicy: 'only-healthy',
      },
    },
  })),
  { text: 'ipFamilies: Dual', expected: { ipFamilies: 'dual' } },
  { text: 'ipFamilies: IPv4', expected: { ipFamilies: 'ipv4-only' } },
  { text: 'ipFamilies: IPv6', expected: { ipFamilies: 'ipv6-only' } },
  { text: 'canonical: true', expected: { canonical: true } },
  { text: 'visibility: Namespace', expected: { visibility: 'namespace' } },
  { text: 'visibility: Public', expected: { visibility: 'public' } },
])('a service with $text', ({ text, expected }) => {
  expect(serviceWith(text)).toMatchObject({ kind: 'service', service: expected })
})

test.each([
  { text: '{ namespaces: [{ Exact: a }] }', expected: { namespaces: [{ kind: 'exact', value: 'a' }] } },
  {
    text: '{ notPrincipals: [{ Prefix: a/ }, { Suffix: /b }, { Presence: [] }] }',
    expected: {
      notPrincipals: [{ kind: 'prefix', value: 'a/' }, { kind: 'suffix', value: '/b' }, { kind: 'presence' }],
    },
  },
  {
    text: '{ sourceIps: [10.0.0.0/8], notDestinationIps: [fd00::1] }',
    expected: {
      sourceIps: [{ ip: '10.0.0.0', length: 8 }],
      notDestinationIps: [{ ip: 'fd00::1', length: 128 }],
    },
  },
  {
    text: '{ destinationPorts: [80], notDestinationPorts: [443] }',
    expected: { destinationPorts: [80], notDestinationPorts: [443] },
  },
  {
    text: '{ serviceAccounts: [{ namespace: a, serviceAccount: b }] }',
    expected: { serviceAccounts: [{ namespace: 'a', serviceAccount: 'b' }] },
  },
  { text: '{}', expected: {} },
])('a match $text', ({ text, expected }) => {
  expect(matchWith(text)).toEqual(expected)
})

test.each([
  { text: 'workload: []', message: 'workload is none of workloads, services, policies' },
  { text: '- a', message: 'the object must be a map' },
  { text: 'workloads: {}', message: 'workloads must be a list' },
  { text: 'workloads: [{ name: a, workloadIps: [] }]', message: 'workloads[0].namespace must be set' },
  { text: 'workloads: [{ namespace: a }]', message: 'workloads[0].workloadIps must be set' },
  { text: `${WORKLOAD}, ip: 10.0.0.1 }]`, message: 'workloads[0].ip is none of workloadIps' },
  { text: `${WORKLOAD}, protocol: hbone }]`, message: 'protocol must be one of TCP, HBONE' },
  { text: `${WORKLOAD}, waypoint: 10.0.0.1 }]`, message: 'workloads[0].waypoint must be a map' },
  {
    text: `${WORKLOAD}, waypoint: { destination: waypoint, hboneMtlsPort: 15008 } }]`,
    message: 'workloads[0].waypoint.destination must have a "/"',
  },
  {
    text: `${WORKLOAD}, waypoint: { destination: /10.0.0.1 } }]`,
    message: 'workloads[0].waypoint.hboneMtlsPort must be a port',
  },
  { text: `${WORKLOAD}, applicationTunnel: { port: 1 } }]`, message: 'must be one of NONE, PROXY' },
  { text: `${WORKLOAD}, capacity: -1 }]`, message: 'capacity must not be negative' },
  {
    text: `${WORKLOAD}, services: { web: {} } }]`,
    message: 'has a key that is not NAMESPACE/HOSTNAME, "web"',
  },
  { text: `${WORKLOAD}, services: { a/b: { 0: 1 } } }]`, message: 'has a key that is no port, "0"' },
  { text: `${WORKLOAD}, services: { a/b: { 1: 70000 } } }]`, message: 'must be a port: 70000' },
  { text: 'workloads: [{ namespace: a, workloadIps: [web] }]', message: 'workloadIps[0] must be an IP' },
  {
    text: 'services: [{ namespace: a, name: b, hostname: c, ports: {} }]',
    message: 'services[0].vips must be set',
  },
  {
    text: 'services: [{ namespace: a, name: b, hostname: c, vips: [] }]',
    message: 'services[0].ports must be set',
  },
  { text: `${SERVICE}, cidrVips: [/10.0.0.0/33] }]`, message: 'cidrVips[0] must be an address range' },
  { text: `${SERVICE}, cidrVips: [/10.0.0.0/] }]`, message: 'cidrVips[0] must be an address range' },
  { text: `${SERVICE}, loadBalancer: { mode: Strict } }]`, message: 'routingPreferences must be set' },
  { text: `${SERVICE}, visibility: Private }]`, message: 'visibility must be one of Public, Namespace' },
  { text: `${SERVICE}, ipFamilies: v4 }]`, message: 'ipFamilies must be one of Dual, IPv4, IPv6' },
  { text: `${SERVICE}, endpoints: { a: { port: {} } } }]`, message: 'endpoints.a.workloadUid must be set' },
  { text: `${POLICY}, when: [] }]`, message: 'policies[0].when is none of name' },
  {
    text: 'policies: [{ namespace: a, name: b, action: Deny, rules: [] }]',
    message: 'scope must be one of Global',
  },
  {
    text: 'policies: [{ namespace: a, name: b, scope: Global, rules: [] }]',
    message: 'action must be one of Allow',
  },
  {
    text: 'policies: [{ namespace: a, name: b, scope: Global, action: Deny }]',
    message: 'rules must be set',
  },
  { text: `${MATCH}{ ports: [80] }]]] }]`, message: 'rules[0][0][0].ports is none of' },
  { text: `${MATCH}{ namespaces: [a] }]]] }]`, message: 'namespaces[0] must be a map' },
  { text: `${MATCH}{ namespaces: [{}] }]]] }]`, message: 'must have one of Exact' },
  { text: `${MATCH}{ namespaces: [{ Exact: a, Prefix: b }] }]]] }]`, message: 'must have one of Exact' },
  { text: `${MATCH}{ sourceIps: [10.0.0.0/x] }]]] }]`, message: 'sourceIps[0] must be an address range' },
])('refuses $text', ({ text, message }) => {
  expect(() => read(text)).toThrow(message)
})

test('an endpoint is written at its workload or at its service', () => {
  const service = (name: string, more: string): string =>
    `{ namespace: shop, name: ${name}, hostname: ${name}.example, vips: [], ports: { 80: 80 }, ${more} }`
  const at = (uid: string, status: string): string =>
    `${uid}: { workloadUid: ${uid}, port: { 80: 8080 }, status: ${status} }`
  const both = `endpoints: { ${at('a', 'Healthy')}, ${at('b', 'Unhealthy')} }`
  const { addresses } = read(`
workloads:
- { uid: a, namespace: shop, workloadIps: [], services: { shop/first.example: { 80: 81 } } }
- { uid: b, namespace: shop, workloadIps: [] }
services:
- ${service('first', '')}
- ${service('second', both)}
- ${service('third', `${both}, loadBalancer: { routingPreferences: [], mode: Standard, healthPolicy: AllowAll }`)}
`)
  const targets = addresses.upserts.map((address) =>
    address.kind === 'workload'
      ? Object.entries(address.workload.services).map(([name, ports]) => [name, ports[0]?.targetPort])
      : undefined,
  )
  expect(targets.filter((each) => each !== undefined)).toEqual([
    [
      ['shop/first.example', 81],
      ['shop/second.example', 8080],
      ['shop/third.example', 8080],
    ],
    [['shop/third.example', 8080]],
  ])
})

test.each([
  {
    name: 'a key nobody knows',
    source: { kind: 'text', text: '{ "pods": [] }' },
    message: /Cannot read LOCAL_XDS: pods is/,
  },
  {
    name: 'text that is no YAML',
    source: { kind: 'text', text: 'a: [' },
    message: /Cannot read LOCAL_XDS: line 1/,
  },
  {
    name: 'a file that is not there',
    source: { kind: 'file', path: '/nowhere/mesh.yaml' },
    message: /LOCAL_XDS_PATH.*\/nowhere\/mesh.yaml/,
  },
] as const)('loadLocalMesh() refuses $name as a ConfigError', async ({ source, message }) => {
  const refused = await loadLocalMesh(source).catch((cause: unknown) => cause)
  expect(refused).toBeInstanceOf(ConfigError)
  expect(String(refused)).toMatch(message)
})

test('loadLocalMesh() takes JSON, and keeps it as it was written', async () => {
  const written = { services: [], workloads: [{ namespace: 'a', workloadIps: [] }] }
  const { source, delta } = await loadLocalMesh({ kind: 'text', text: JSON.stringify(written) })
  expect(source).toEqual(written)
  expect(delta.addresses.upserts).toHaveLength(1)
})
