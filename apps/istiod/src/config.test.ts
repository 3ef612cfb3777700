import { expect, test } from 'vitest'
import { parseCommand } from './config.ts'

const flags = ['--config-dir', 'c', '--jwks', 'j', '--state-dir', 's']

test('parseCommand() takes the documented defaults', () => {
  expect(parseCommand(flags, {})).toEqual({
    kind: 'run',
    config: {
      source: { kind: 'directory', directory: 'c', jwksFile: 'j' },
      remoteClusters: [],
      stateDirectory: 's',
      caDirectory: '/etc/cacerts',
      listenAddress: '::',
      securePort: 15012,
      monitoringPort: 15014,
      httpPort: 8080,
      webhookName: undefined,
      ownerRole: undefined,
      webhookPort: 15017,
      clusterId: 'Kubernetes',
      trustDomain: 'cluster.local',
      domainSuffix: 'cluster.local',
      givesRevocations: true,
      givesAllRoots: false,
      dryRunPolicies: false,
      autoAllowWaypoints: false,
      writesStatus: true,
      namespace: 'istio-system',
      revision: 'default',
      addressRanges: {
        ipv4: { ip: '240.240.0.0', length: 16 },
        ipv6: { ip: '2001:2::', length: 48 },
      },
      customHosts: [],
      trustedNodeAccounts: ['istio-system/ztunnel'],
      tokenAudiences: ['istio-ca'],
      tokenIssuers: [],
      debugNamespaces: [],
      defaultCertTtlSeconds: 86_400,
      maxCertTtlSeconds: 7_776_000,
      logFilter: 'info',
      logFormat: 'plain',
    },
  })
})

test('parseCommand() takes every flag and variable', () => {
  const env = {
    POD_NAMESPACE: 'mesh',
    CA_TRUSTED_NODE_ACCOUNTS: 'a/b, c/d',
    ISTIOD_CUSTOM_HOST: 'x.test',
    ROOT_CA_DIR: '/ca',
    TOKEN_ISSUERS: 'https://a,https://b',
    DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES: 'ops',
    DEFAULT_WORKLOAD_CERT_TTL: '1h30m',
    REVISION: 'canary',
    PILOT_ENABLE_IP_AUTOALLOCATE: 'false',
  }
  const more = ['--listen', '127.0.0.1', '--secure-port', '0', '--remote-config-dir', 'c2=/a=b']
  expect(parseCommand([...flags, ...more], env)).toMatchObject({
    config: {
      remoteClusters: [{ id: 'c2', directory: '/a=b' }],
      listenAddress: '127.0.0.1',
      securePort: 0,
      namespace: 'mesh',
      trustedNodeAccounts: ['a/b', 'c/d'],
      customHosts: ['x.test'],
      caDirectory: '/ca',
      tokenIssuers: ['https://a', 'https://b'],
      debugNamespaces: ['ops'],
      defaultCertTtlSeconds: 5_400,
      revision: 'canary',
      addressRanges: undefined,
    },
  })
  expect(parseCommand(['--help'], {})).toEqual({ kind: 'help' })
  expect(parseCommand(['--version'], {})).toEqual({ kind: 'version' })
})

test.each([
  { name: 'a flag nobody knows', args: [...flags, '--nope'], env: {}, message: "Unknown option '--nope'" },
  {
    name: 'a missing directory',
    args: ['--jwks', 'j', '--state-dir', 's'],
    env: {},
    message: '--config-dir is missing',
  },
  { name: 'a stray word', args: [...flags, 'word'], env: {}, message: "Unexpected argument 'word'" },
  {
    name: 'a port that is none',
    args: [...flags, '--http-port', '70000'],
    env: {},
    message: '--http-port is no port: "70000"',
  },
  {
    name: 'a trust domain that is none',
    args: flags,
    env: { TRUST_DOMAIN: 'A B' },
    message: 'TRUST_DOMAIN is no trust domain: "A B"',
  },
  {
    name: 'a duration that is none',
    args: flags,
    env: { MAX_WORKLOAD_CERT_TTL: 'soon' },
    message: 'MAX_WORKLOAD_CERT_TTL is no duration',
  },
  {
    name: 'a default above the maximum',
    args: flags,
    env: { DEFAULT_WORKLOAD_CERT_TTL: '9999h' },
    message: 'DEFAULT_WORKLOAD_CERT_TTL is longer',
  },
  {
    name: 'a range of virtual IPs that is of the other family',
    args: flags,
    env: { PILOT_IP_AUTOALLOCATE_IPV6_PREFIX: '10.0.0.0/8' },
    message: 'PILOT_IP_AUTOALLOCATE_IPV6_PREFIX is no range of IPv6 addresses: "10.0.0.0/8"',
  },
  {
    name: 'a remote cluster without a name',
    args: [...flags, '--remote-config-dir', '/dir'],
    env: {},
    message: '--remote-config-dir is not CLUSTER=DIR: "/dir"',
  },
  {
    name: 'a remote cluster that is our own',
    args: [...flags, '--remote-config-dir', 'Kubernetes=/dir'],
    env: {},
    message: '--remote-config-dir has a cluster twice: "Kubernetes"',
  },
  { name: 'another log format', args: flags, env: { LOG_FORMAT: 'xml' }, message: 'LOG_FORMAT is neither' },
])('parseCommand() refuses $name in one line', ({ args, env, message }) => {
  const parse = (): unknown => parseCommand(args, env)
  expect(parse).toThrow(message)
  expect(parse).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  expect(parse).not.toThrow('\n')
})
