import { CLASS_IN, recordTypes } from '@ambient/dns'
import type { Service, Workload } from '@ambient/model'
import { describe, expect, test } from 'vitest'
import { at, mesh, pod, service } from '../../test/mesh-fixture.ts'
import { type DnsClient, type DnsVerdict, resolveQuestion } from './resolve-question.ts'

const client = pod('client', { namespace: 'ns1', network: 'nw1', addresses: ['10.0.0.1'] })
const asked: DnsClient = {
  workload: client,
  clusterDomain: 'cluster.local',
  searchDomains: undefined,
  preferredNamespace: undefined,
  ipv6: true,
  random: { float: () => 0.5 },
}

function kube(
  name: string,
  namespace: string,
  vips: readonly string[],
  known: Partial<Service> = {},
): Service {
  return service(`${name}.${namespace}.svc.cluster.local`, {
    name,
    namespace,
    canonical: true,
    addresses: vips.map((ip) => ({ ...at(ip), network: 'nw1' })),
    ...known,
  })
}

function entry(
  hostname: string,
  namespace: string,
  vips: readonly string[],
  known: Partial<Service> = {},
): Service {
  return service(hostname, {
    namespace,
    addresses: vips.map((ip) => ({ ...at(ip), network: 'nw1' })),
    ...known,
  })
}

function member(
  name: string,
  of: Service,
  addresses: readonly string[],
  known: Partial<Workload> = {},
): Workload {
  return pod(name, {
    namespace: of.namespace,
    addresses,
    services: { [`${of.namespace}/${of.hostname}`]: [] },
    ...known,
  })
}

const headless = kube('db', 'ns1', [])
const headlessV4 = kube('db4', 'ns1', [], { ipFamilies: 'ipv4-only' })
const openHeadless = kube('peers', 'ns1', [], {
  loadBalancing: { mode: 'unspecified', routingPreference: [], healthPolicy: 'allow-all' },
})
const world = mesh(
  client,
  kube('web', 'ns1', ['10.96.0.1', 'fd00::1']),
  kube('web', 'ns2', ['10.96.0.2']),
  kube('six', 'ns1', ['fd00::6'], { ipFamilies: 'ipv6-only' }),
  kube('four', 'ns1', ['10.96.0.4', 'fd00::4'], { ipFamilies: 'ipv4-only' }),
  kube('many', 'ns1', ['10.96.0.11', '10.96.0.12', '10.96.0.13']),
  kube('elsewhere', 'ns1', [], { addresses: [{ network: 'nw2', ip: '10.97.0.1' }] }),
  kube('both', 'ns1', ['10.96.0.21'], {
    addresses: [
      { network: 'nw1', ip: '10.96.0.21' },
      { network: 'nw2', ip: '10.97.0.21' },
    ],
  }),
  kube('hidden', 'ns2', ['10.96.0.31'], { visibility: 'namespace' }),
  kube('empty', 'ns1', []),
  headless,
  member('db-0', headless, ['10.0.1.1', 'fd01::1']),
  member('db-1', headless, ['10.0.1.2'], { network: 'nw2' }),
  member('db-2', headless, ['10.0.1.3', '10.0.1.4']),
  member('db-3', headless, ['10.0.1.9'], { status: 'unhealthy' }),
  headlessV4,
  member('db4-0', headlessV4, ['10.0.2.1', 'fd02::1']),
  openHeadless,
  member('peers-0', openHeadless, ['10.0.3.1'], { status: 'unhealthy' }),
  entry('api.example.com', 'ns2', ['240.240.0.1', '2001:2::1']),
  entry('no-address.example.com', 'ns2', []),
  entry('range.example.com', 'ns2', [], {
    addresses: [{ network: 'nw1', ip: '240.241.0.0', prefixLength: 16 }],
  }),
  entry('*.wild.example.com', 'ns2', ['240.240.0.2']),
  entry('*.deep.wild.example.com', 'ns2', ['240.240.0.3']),
  entry('exact.deep.wild.example.com', 'ns2', ['240.240.0.4']),
  entry('*.ns3.svc.cluster.local', 'ns3', ['240.240.0.5']),
  // Three claim one name: the client's own comes first, then the canonical one.
  entry('shared.example.com', 'ns3', ['240.240.1.3']),
  entry('shared.example.com', 'ns1', ['240.240.1.1']),
  entry('shared.example.com', 'ns2', ['240.240.1.2'], { canonical: true }),
  entry('common.example.com', 'ns3', ['240.240.2.3']),
  entry('common.example.com', 'ns2', ['240.240.2.2'], { canonical: true }),
  entry('first.example.com', 'ns4', ['240.240.3.4']),
  entry('first.example.com', 'ns3', ['240.240.3.3']),
  entry('secret.example.com', 'ns2', ['240.240.4.2'], { visibility: 'namespace' }),
  entry('secret.example.com', 'ns3', ['240.240.4.3']),
  entry('half.example.com', 'ns2', []),
  entry('half.example.com', 'ns3', ['240.240.5.3']),
  entry('web.ns1', 'ns2', ['240.240.6.1']),
)

function resolve(name: string, type: number, who: DnsClient = asked): string {
  return brief(resolveQuestion(world, { name, type, class: CLASS_IN }, who))
}

/** `10.0.0.1 10.0.0.2`, `web.ns1 = 10.0.0.1`, `none` or `forward`. */
function brief(verdict: DnsVerdict): string {
  if (verdict.kind === 'forward') return 'forward'
  const addresses = verdict.addresses.length === 0 ? 'none' : verdict.addresses.toSorted().join(' ')
  return verdict.alias === undefined ? addresses : `${verdict.alias} = ${addresses}`
}

const FQDN = 'web.ns1.svc.cluster.local'

describe('resolveQuestion() of names', () => {
  test.each([
    // Kubernetes names, from nearest to fullest.
    { name: 'web', a: '10.96.0.1', aaaa: 'fd00::1' },
    { name: 'web.ns2', a: '10.96.0.2', aaaa: 'none' },
    { name: 'web.ns2.svc', a: '10.96.0.2', aaaa: 'none' },
    { name: FQDN, a: '10.96.0.1', aaaa: 'fd00::1' },
    { name: 'WEB.Ns2.svc.CLUSTER.local', a: '10.96.0.2', aaaa: 'none' },
    { name: 'web.ns9', a: 'forward', aaaa: 'forward' },
    { name: 'other', a: 'forward', aaaa: 'forward' },
    { name: 'web.ns2.svc.cluster', a: 'forward', aaaa: 'forward' },
    { name: 'web.ns2.svc.cluster.local.extra', a: 'forward', aaaa: 'forward' },
    // As a resolver with the pod's search list asks: the first try is answered with an alias.
    {
      name: 'web.ns1.svc.cluster.local.ns1.svc.cluster.local',
      a: `${FQDN} = 10.96.0.1`,
      aaaa: `${FQDN} = fd00::1`,
    },
    { name: 'web.ns2.ns1.svc.cluster.local', a: 'web.ns2 = 10.96.0.2', aaaa: 'none' },
    { name: 'web.ns2.svc.ns1.svc.cluster.local', a: 'web.ns2.svc = 10.96.0.2', aaaa: 'none' },
    {
      name: 'api.example.com.ns1.svc.cluster.local',
      a: 'api.example.com = 240.240.0.1',
      aaaa: 'api.example.com = 2001:2::1',
    },
    {
      name: 'api.example.com.svc.cluster.local',
      a: 'api.example.com = 240.240.0.1',
      aaaa: 'api.example.com = 2001:2::1',
    },
    {
      name: 'api.example.com.cluster.local',
      a: 'api.example.com = 240.240.0.1',
      aaaa: 'api.example.com = 2001:2::1',
    },
    { name: 'api.example.com.ns2.svc.cluster.local', a: 'forward', aaaa: 'forward' },
    { name: 'no.example.com.ns1.svc.cluster.local', a: 'forward', aaaa: 'forward' },
    // Other hosts.
    { name: 'api.example.com', a: '240.240.0.1', aaaa: '2001:2::1' },
    { name: 'example.com', a: 'forward', aaaa: 'forward' },
    { name: 'no-address.example.com', a: 'forward', aaaa: 'forward' },
    { name: 'range.example.com', a: 'forward', aaaa: 'forward' },
    // Wildcards: exact, then the narrowest; one star may stand for several labels, and for at least one.
    { name: 'a.wild.example.com', a: '240.240.0.2', aaaa: 'none' },
    { name: 'a.b.wild.example.com', a: '240.240.0.2', aaaa: 'none' },
    { name: 'wild.example.com', a: 'forward', aaaa: 'forward' },
    { name: 'a.deep.wild.example.com', a: '240.240.0.3', aaaa: 'none' },
    { name: 'exact.deep.wild.example.com', a: '240.240.0.4', aaaa: 'none' },
    { name: '*.wild.example.com', a: '240.240.0.2', aaaa: 'none' },
    { name: 'a.wild.example.com.ns1.svc.cluster.local', a: '240.240.0.2', aaaa: 'none' },
    { name: 'anything.ns3', a: '240.240.0.5', aaaa: 'none' },
    // Families, networks, visibility.
    { name: 'six', a: 'none', aaaa: 'fd00::6' },
    { name: 'four', a: '10.96.0.4', aaaa: 'none' },
    { name: 'many', a: '10.96.0.11 10.96.0.12 10.96.0.13', aaaa: 'none' },
    { name: 'elsewhere', a: 'none', aaaa: 'none' },
    { name: 'both', a: '10.96.0.21', aaaa: 'none' },
    { name: 'hidden.ns2', a: 'forward', aaaa: 'forward' },
    // Headless: one address of each healthy endpoint, of any network.
    { name: 'db', a: '10.0.1.1 10.0.1.2 10.0.1.3', aaaa: 'fd01::1' },
    { name: 'db4', a: '10.0.2.1', aaaa: 'none' },
    { name: 'peers', a: '10.0.3.1', aaaa: 'none' },
    { name: 'empty', a: 'none', aaaa: 'none' },
    { name: 'db-0.db', a: 'forward', aaaa: 'forward' },
    { name: 'db-0.db.ns1.svc.cluster.local', a: 'forward', aaaa: 'forward' },
    // Several services of one name.
    { name: 'shared.example.com', a: '240.240.1.1', aaaa: 'none' },
    { name: 'common.example.com', a: '240.240.2.2', aaaa: 'none' },
    { name: 'first.example.com', a: '240.240.3.4', aaaa: 'none' },
    { name: 'secret.example.com', a: '240.240.4.3', aaaa: 'none' },
    { name: 'half.example.com', a: '240.240.5.3', aaaa: 'none' },
    // The requested name itself comes before what Kubernetes makes of it.
    { name: 'web.ns1', a: '240.240.6.1', aaaa: 'none' },
    // Names that are none of a service.
    { name: '', a: 'forward', aaaa: 'forward' },
    { name: 'web\\.ns2.svc.cluster.local', a: 'forward', aaaa: 'forward' },
    { name: 'web.ns1\\.svc.cluster.local', a: 'forward', aaaa: 'forward' },
    { name: 'svc.cluster.local', a: 'forward', aaaa: 'forward' },
    { name: 'cluster.local', a: 'forward', aaaa: 'forward' },
  ])('$name: A is $a, AAAA is $aaaa', ({ name, a, aaaa }) => {
    expect(resolve(name, recordTypes.A)).toBe(a)
    expect(resolve(name, recordTypes.AAAA)).toBe(aaaa)
  })
})

describe('resolveQuestion() by who asks', () => {
  const of = (namespace: string): DnsClient => ({
    ...asked,
    workload: pod('other', { namespace, network: 'nw1' }),
  })

  test.each([
    { what: 'a short name is of the client’s namespace', name: 'web', who: of('ns2'), expected: '10.96.0.2' },
    {
      what: 'a service of its namespace only is seen there',
      name: 'hidden',
      who: of('ns2'),
      expected: '10.96.0.31',
    },
    {
      what: 'another network has other addresses',
      name: 'both',
      who: { ...asked, workload: pod('far', { namespace: 'ns1', network: 'nw2' }) },
      expected: '10.97.0.21',
    },
    {
      what: 'the search list is of the client’s namespace',
      name: 'api.example.com.ns2.svc.cluster.local',
      who: of('ns2'),
      expected: 'api.example.com = 240.240.0.1',
    },
    {
      what: 'a search list of one’s own takes the place of the namespace’s',
      name: 'api.example.com.home.arpa',
      who: { ...of('ns2'), searchDomains: ['home.arpa'] },
      expected: 'api.example.com = 240.240.0.1',
    },
    {
      what: 'a search list of one’s own leaves nothing of the namespace’s',
      name: 'api.example.com.ns2.svc.cluster.local',
      who: { ...of('ns2'), searchDomains: ['home.arpa'] },
      expected: 'forward',
    },
    {
      what: 'a preferred namespace wins over the first',
      name: 'first.example.com',
      who: { ...asked, preferredNamespace: 'ns3' },
      expected: '240.240.3.3',
    },
    {
      what: 'a preferred namespace yields to a canonical service',
      name: 'common.example.com',
      who: { ...asked, preferredNamespace: 'ns3' },
      expected: '240.240.2.2',
    },
    {
      what: 'another cluster domain has other names',
      name: FQDN,
      who: { ...asked, clusterDomain: 'other.domain' },
      expected: '10.96.0.1',
    },
    {
      what: 'short names are not of another cluster domain',
      name: 'web',
      who: { ...asked, clusterDomain: 'other.domain' },
      expected: 'forward',
    },
    {
      what: 'a headless service is one of the cluster domain',
      name: 'db.ns1.svc.cluster.local',
      who: { ...asked, clusterDomain: 'other.domain' },
      expected: 'forward',
    },
  ])('$what', ({ name, who, expected }) => {
    expect(resolve(name, recordTypes.A, who)).toBe(expected)
  })

  test('without IPv6 there is no AAAA, and the name is still known', () => {
    expect(resolve('web', recordTypes.AAAA, { ...asked, ipv6: false })).toBe('none')
  })

  test('addresses come in random order', () => {
    const numbers = [0.9, 0.1, 0.5]
    const random = { float: () => numbers.shift() ?? 0 }
    const question = { name: 'many', type: recordTypes.A, class: CLASS_IN }
    expect(resolveQuestion(world, question, { ...asked, random })).toMatchObject({
      addresses: ['10.96.0.12', '10.96.0.13', '10.96.0.11'],
    })
  })
})

test.each([
  { what: 'TXT of a known name', name: 'web', type: 16, class: CLASS_IN },
  { what: 'SRV', name: '_http._tcp.web.ns1.svc.cluster.local', type: 33, class: CLASS_IN },
  { what: 'any type', name: 'web', type: 255, class: CLASS_IN },
  { what: 'another class', name: 'web', type: recordTypes.A, class: 3 },
])('resolveQuestion() forwards $what', ({ what: _what, ...question }) => {
  expect(resolveQuestion(world, question, asked)).toEqual({ kind: 'forward' })
})
