import { expect, test } from 'vitest'
import { type Host, readConfig } from './config.ts'
import { ConfigError } from './env-values.ts'

const host: Host = {
  cpus: 2,
  proxyConfig: {},
  fileExists: () => false,
  resolvConf: 'search a.example\nnameserver 10.96.0.10\n',
}
const self = { POD_NAME: 'ztunnel-1', POD_NAMESPACE: 'istio-system', SERVICE_ACCOUNT: 'ztunnel' }

test('readConfig() has upstream defaults for an empty environment', () => {
  expect(readConfig({}, host)).toMatchObject({
    clusterId: 'Kubernetes',
    clusterDomain: 'cluster.local',
    xds: {
      address: { host: 'localhost', port: 15012, plaintext: false },
      roots: { kind: 'file', path: './var/run/secrets/istio/root-cert.pem' },
    },
    token: undefined,
    crlPath: undefined,
    inpodSocket: '/var/run/ztunnel/ztunnel.sock',
    packetMark: 1337,
    ipv6: true,
    originalSource: 'best-effort',
    tunnelsToLoopback: true,
    exchangesBaggage: true,
    workerThreads: 2,
    dns: {
      addresses: [
        { ip: '127.0.0.1', port: 15053 },
        { ip: '::1', port: 15053 },
      ],
      nameservers: [{ ip: '10.96.0.10', port: 53 }],
      clusterDomain: 'cluster.local',
      preferredNamespace: undefined,
    },
    drainMs: 5000,
    secretTtlSeconds: 86_400,
  })
})

test.each([
  {
    name: 'in a cluster the control plane is the istiod Service',
    env: { KUBERNETES_SERVICE_HOST: '10.0.0.1' },
    expected: { xds: { address: { host: 'istiod.istio-system.svc', port: 15012 } } },
  },
  {
    name: 'an empty address turns the peer off',
    env: { XDS_ADDRESS: '', CA_ADDRESS: '' },
    expected: { xds: undefined, ca: undefined },
  },
  {
    name: 'an IPv6 address loses its brackets',
    env: { XDS_ADDRESS: 'https://[fd00::1]:15012' },
    expected: { xds: { address: { host: 'fd00::1', port: 15012 } } },
  },
  {
    name: 'on demand where there is no DNS proxy',
    env: { XDS_ON_DEMAND: 'true', ISTIO_META_DNS_CAPTURE: 'false' },
    expected: { isOnDemand: true, dns: undefined },
  },
  { name: 'SOCKS5 is opt-in', env: { UNSTABLE_ENABLE_SOCKS5: 'true' }, expected: { socks5: true } },
  {
    name: 'headers come from their prefix',
    env: { XDS_HEADER_x_team: 'a' },
    expected: { xds: { headers: { x_team: 'a' } }, ca: { headers: {} } },
  },
  {
    name: 'metadata is text or JSON',
    env: { ISTIO_META_A: 'x', ISTIO_METAJSON_B: '{"c":1}', ISTIO_METAJSON_D: '{' },
    expected: { metadata: { A: 'x', B: { c: 1 } } },
  },
  {
    name: 'a token with a slash is a path',
    env: { AUTH_TOKEN: '/run/token' },
    expected: { token: { kind: 'file', path: '/run/token' } },
  },
  {
    name: 'a token without a slash is the token',
    env: { AUTH_TOKEN: 'abc.def.ghi' },
    expected: { token: { kind: 'literal', token: 'abc.def.ghi' } },
  },
  {
    name: 'workers as a share of the cores',
    env: { ZTUNNEL_WORKER_THREADS: '50%' },
    expected: { workerThreads: 1 },
  },
  {
    name: 'DNS is off for anything but true',
    env: { ISTIO_META_DNS_CAPTURE: 'no' },
    expected: { dns: undefined },
  },
  {
    name: 'DNS is on for true in any case, JSON too',
    env: { ISTIO_META_DNS_CAPTURE: 'True', CLUSTER_DOMAIN: 'x.y', PREFERED_SERVICE_NAMESPACE: 'shared' },
    expected: { dns: { clusterDomain: 'x.y', preferredNamespace: 'shared' } },
  },
  {
    name: 'DNS at one address',
    env: { ISTIO_META_DNS_PROXY_ADDR: '[::1]:53' },
    expected: { dns: { addresses: [{ ip: '::1', port: 53 }] } },
  },
  {
    name: 'DNS without IPv6 is on 127.0.0.1 only',
    env: { IPV6_ENABLED: 'false', ISTIO_METAJSON_DNS_CAPTURE: 'true' },
    expected: { dns: { addresses: [{ ip: '127.0.0.1', port: 15053 }] } },
  },
  {
    name: 'a proxy for one workload, whose packets nothing has to know',
    env: { ...self, PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/web-1/web' },
    expected: {
      dedicatedTo: { namespace: 'shop', name: 'web-1', serviceAccount: 'web' },
      ownPod: undefined,
      packetMark: undefined,
      dns: { searchDomains: ['a.example'] },
    },
  },
  {
    name: 'a proxy for one workload that is told of a mark',
    env: { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/web-1/web', PACKET_MARK: '7' },
    expected: { packetMark: 7 },
  },
  {
    name: 'our own pod is of the mesh when all of it is known',
    env: self,
    expected: {
      dedicatedTo: undefined,
      dns: { searchDomains: undefined },
      ownPod: { namespace: 'istio-system', name: 'ztunnel-1', serviceAccount: 'ztunnel' },
    },
  },
  {
    name: 'our own pod is not of the mesh without its account',
    env: { ...self, SERVICE_ACCOUNT: '' },
    expected: { ownPod: undefined },
  },
  {
    name: 'a local mesh in a file',
    env: { LOCAL_XDS_PATH: '/mesh.yaml', XDS_ADDRESS: '' },
    expected: { localMesh: { kind: 'file', path: '/mesh.yaml' }, xds: undefined },
  },
  {
    name: 'a local mesh as text',
    env: { LOCAL_XDS: 'workloads: []' },
    expected: { localMesh: { kind: 'text', text: 'workloads: []' } },
  },
  {
    name: 'zero workers means all cores',
    env: { ZTUNNEL_WORKER_THREADS: '0' },
    expected: { workerThreads: 2 },
  },
  {
    name: 'groups of TLS',
    env: { ZTUNNEL_TLS_GROUPS: 'X25519:P-256' },
    expected: { tlsGroups: 'X25519:P-256' },
  },
  {
    name: 'post-quantum key exchange only, whatever groups are named',
    env: { COMPLIANCE_POLICY: 'pqc', ZTUNNEL_TLS_GROUPS: 'X25519' },
    expected: { tlsGroups: 'X25519MLKEM768' },
  },
  {
    name: 'a grace period of 30 s leaves 25 s to drain',
    env: { TERMINATION_GRACE_PERIOD_SECONDS: '30' },
    expected: { drainMs: 25_000 },
  },
  {
    name: 'a grace period of 0 s does not underflow',
    env: { TERMINATION_GRACE_PERIOD_SECONDS: '0' },
    expected: { drainMs: 5000 },
  },
  {
    name: 'the deadline wins over the grace period',
    env: { TERMINATION_GRACE_PERIOD_SECONDS: '30', CONNECTION_TERMINATION_DEADLINE: '1s' },
    expected: { drainMs: 1000 },
  },
])('readConfig() $name', ({ env, expected }) => expect(readConfig(env, host)).toMatchObject(expected))

test.each([
  { env: { PROXY_MODE: 'sidecar' }, text: 'PROXY_MODE' },
  { env: { PROXY_MODE: 'dedicated' }, text: 'PROXY_WORKLOAD_INFO' },
  { env: { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/web' }, text: 'PROXY_WORKLOAD_INFO' },
  { env: { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop//web' }, text: 'PROXY_WORKLOAD_INFO' },
  { env: { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'a/b/c/d' }, text: 'PROXY_WORKLOAD_INFO' },
  { env: { LOCAL_XDS: '{}', LOCAL_XDS_PATH: '/mesh.yaml' }, text: 'LOCAL_XDS_PATH' },
  { env: { FAKE_CA: 'true' }, text: 'FAKE_CA' },
  { env: { XDS_ON_DEMAND: 'true' }, text: 'ISTIO_META_DNS_CAPTURE' },
  { env: { ISTIO_META_DNS_PROXY_ADDR: 'dns.example:53' }, text: 'ISTIO_META_DNS_PROXY_ADDR' },
  { env: { ISTIO_META_DNS_PROXY_ADDR: 'localhost' }, text: 'ISTIO_META_DNS_PROXY_ADDR' },
  { env: { ISTIO_META_DNS_PROXY_ADDR: 'localhost:70000' }, text: 'ISTIO_META_DNS_PROXY_ADDR' },
  { env: { XDS_ADDRESS: 'ftp://x' }, text: 'XDS_ADDRESS' },
  { env: { PACKET_MARK: 'x' }, text: 'PACKET_MARK' },
  { env: { SECRET_TTL: '5 years' }, text: 'SECRET_TTL' },
  { env: { ZTUNNEL_TLS_GROUPS: 'X25519, P-256' }, text: 'ZTUNNEL_TLS_GROUPS' },
  { env: { COMPLIANCE_POLICY: 'fips-140-2' }, text: 'COMPLIANCE_POLICY' },
  { env: { IPV6_ENABLED: 'maybe' }, text: 'IPV6_ENABLED' },
])('readConfig() refuses $env and names $text', ({ env, text }) => {
  expect(() => readConfig(env, host)).toThrow(ConfigError)
  expect(() => readConfig(env, host)).toThrow(text)
})
