import { expect, test } from 'vitest'
import { readServiceEntry } from './read-service-entry.ts'
import { readWorkloadEntry } from './read-workload-entry.ts'
import { objectsFromYaml } from './yaml-text.ts'

function entry(
  kind: string,
  spec: string,
  more = '',
): NonNullable<ReturnType<typeof objectsFromYaml>[number]> {
  const text = `{apiVersion: networking.istio.io/v1, kind: ${kind}, metadata: {name: a${more}}, ${spec}}`
  const [object] = objectsFromYaml(text)
  return object ?? expect.fail('one object')
}

test('readServiceEntry() fills in what is not given and leaves out what is no address', () => {
  const spec = `spec: {hosts: [a.example, a.example], ports: [{number: 80, name: http, protocol: http}, {number: 81, name: tls, protocol: TLS, targetPort: 8081}]}`
  const status = `status: {addresses: [{host: a.example, value: 240.240.0.1}, {host: a.example, value: nonsense}]}`
  expect(readServiceEntry(entry('ServiceEntry', `${spec}, ${status}`))).toEqual({
    hosts: ['a.example'],
    addresses: [],
    ports: [
      { name: 'http', number: 80, targetPort: 80, protocol: 'HTTP' },
      { name: 'tls', number: 81, targetPort: 8081, protocol: 'TLS' },
    ],
    resolution: 'NONE',
    endpoints: [],
    selector: undefined,
    subjectAltNames: [],
    allocated: [{ host: 'a.example', ip: '240.240.0.1' }],
  })
})

test('readServiceEntry() reads ranges, canonical and without those that are whole addresses', () => {
  const spec = `spec: {hosts: [a.example], resolution: STATIC, addresses: [10.0.0.1, 10.0.0.0/8, 10.0.0.2/32, "FD00::/16"]}`
  expect(readServiceEntry(entry('ServiceEntry', spec)).addresses).toEqual([
    { ip: '10.0.0.1', prefixLength: undefined },
    { ip: '10.0.0.0', prefixLength: 8 },
    { ip: '10.0.0.2', prefixLength: undefined },
    { ip: 'fd00::', prefixLength: 16 },
  ])
})

test.each([
  ['hosts: []', 'spec.hosts must not be empty'],
  ['hosts: ["*"]', 'spec.hosts[0] is no host name: "*"'],
  ['hosts: ["a.*.example"]', 'spec.hosts[0] is no host name'],
  ['hosts: [a_b.example]', 'spec.hosts[0] is no host name'],
  ['hosts: [a.1]', 'spec.hosts[0] is no host name'],
  [
    'hosts: [a.example], addresses: [10.0.0.0/33]',
    'spec.addresses[0] is no IP address or range: "10.0.0.0/33"',
  ],
  ['hosts: [a.example], addresses: [10.0.0.0/8], resolution: DNS', 'spec.addresses may have ranges only if'],
  [
    'hosts: [a.example], resolution: MAGIC',
    'spec.resolution must be one of NONE, STATIC, DNS, DNS_ROUND_ROBIN, DYNAMIC_DNS: "MAGIC"',
  ],
  ['hosts: [a.example], location: HERE', 'spec.location must be one of'],
  ['hosts: [a.example], ports: [{number: 0, name: a}]', 'spec.ports[0].number must be a port'],
  ['hosts: [a.example], ports: [{number: 80}]', 'spec.ports[0].name must be set'],
  ['hosts: [a.example], ports: [{number: 80, name: a_b}]', 'spec.ports[0].name is no port name'],
  [
    'hosts: [a.example], ports: [{number: 80, name: a, protocol: SMTP}]',
    'spec.ports[0].protocol must be one of',
  ],
  [
    'hosts: [a.example], ports: [{number: 80, name: a, targetPort: 70000}]',
    'spec.ports[0].targetPort must be a port',
  ],
  [
    'hosts: [a.example], ports: [{number: 80, name: a}, {number: 81, name: a}]',
    'spec.ports must have each name once',
  ],
  [
    'hosts: [a.example], ports: [{number: 80, name: a}, {number: 80, name: b}]',
    'spec.ports must have each number once',
  ],
  [
    'hosts: [a.example, b.example], resolution: DNS, ports: [{number: 80, name: a, protocol: TCP}]',
    'spec.ports must be HTTP or TLS if there are several hosts',
  ],
  [
    'hosts: [a.example], endpoints: [{address: 10.0.0.1}]',
    'spec.endpoints must not be given if resolution is NONE',
  ],
  [
    'hosts: [a.example], resolution: STATIC, endpoints: [{address: 10.0.0.1}], workloadSelector: {labels: {a: b}}',
    'spec.endpoints must not be given together with workloadSelector',
  ],
  [
    'hosts: [a.example], resolution: STATIC, endpoints: [{address: b.example}]',
    'spec.endpoints[0].address must be an IP address if resolution is STATIC: "b.example"',
  ],
  [
    'hosts: [a.example], resolution: DNS, endpoints: [{address: "unix:///a"}]',
    'spec.endpoints[0].address may be a Unix socket only',
  ],
  [
    'hosts: [a.example], resolution: STATIC, endpoints: [{address: 10.0.0.1, ports: {b: 80}}]',
    'spec.endpoints[0].ports.b is no port of the ServiceEntry',
  ],
  [
    'hosts: [a.example], resolution: DNS_ROUND_ROBIN, endpoints: [{address: b.example}, {address: c.example}]',
    'spec.endpoints must be one at most',
  ],
  [
    'hosts: ["*.example"], resolution: DNS',
    'spec.hosts must have no wildcards if resolution is DNS without endpoints',
  ],
  [
    'hosts: [a.example], resolution: DYNAMIC_DNS',
    'spec.hosts must be wildcards if resolution is DYNAMIC_DNS',
  ],
  [
    'hosts: ["*.example"], resolution: DYNAMIC_DNS, addresses: [10.0.0.1]',
    'spec.addresses must not be given if resolution is DYNAMIC_DNS',
  ],
  [
    'hosts: ["*.example"], resolution: DYNAMIC_DNS, ports: [{number: 80, name: a, protocol: TCP}]',
    'spec.ports must be HTTP, HTTP2, GRPC or TLS',
  ],
])('readServiceEntry() refuses {%s}', (spec, message) => {
  expect(() => readServiceEntry(entry('ServiceEntry', `spec: {${spec}}`))).toThrow(message)
})

test('readWorkloadEntry() lets the labels of the object win over those of its spec', () => {
  const spec = `spec: {address: "FD00::1", labels: {app: spec, only: spec}, ports: {http: 8080}, weight: 3, locality: eu/eu-1/rack, network: net-2, serviceAccount: vm}`
  expect(readWorkloadEntry(entry('WorkloadEntry', spec, ', labels: {app: object}'))).toEqual({
    address: { kind: 'ip', ip: 'fd00::1' },
    labels: { app: 'object', only: 'spec' },
    ports: { http: 8080 },
    weight: 3,
    locality: 'eu/eu-1/rack',
    network: 'net-2',
    serviceAccount: 'vm',
  })
})

test.each([
  ['{}', 'spec.address must be set unless network is'],
  ['{address: "no host"}', 'spec.address is neither an IP address nor a host name: "no host"'],
  ['{address: 10.0.0.1, weight: -1}', 'spec.weight must not be negative: -1'],
  ['{address: 10.0.0.1, ports: {http: 0}}', 'spec.ports.http must be a port from 1 to 65535: 0'],
  ['{address: 10.0.0.1, labels: [a]}', 'spec.labels must be a map'],
])('readWorkloadEntry() refuses %s', (spec, message) => {
  expect(() => readWorkloadEntry(entry('WorkloadEntry', `spec: ${spec}`))).toThrow(message)
})

test.each([
  ['{address: vm.example}', { kind: 'host', host: 'vm.example' }],
  ['{address: "unix:///run/app"}', { kind: 'unix', path: '/run/app' }],
  ['{network: net-2}', { kind: 'none' }],
])('readWorkloadEntry() reads the address of %s', (spec, address) => {
  expect(readWorkloadEntry(entry('WorkloadEntry', `spec: ${spec}`)).address).toEqual(address)
})
