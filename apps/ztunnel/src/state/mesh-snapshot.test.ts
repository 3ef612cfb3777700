import { type Address, defineService, defineWorkload, type Service, type Workload } from '@ambient/model'
import type { AuthorizationPolicy } from '@ambient/policy'
import { expect, test } from 'vitest'
import { type MeshDelta, MeshSnapshot } from './mesh-snapshot.ts'

const WEB = 'shop/web.shop.svc.cluster.local'

function workload(uid: string, known: Partial<Workload> = {}): Workload {
  return defineWorkload({ uid, name: uid, namespace: 'shop', ...known })
}

function service(name: string, known: Partial<Service> = {}): Service {
  return defineService({ name, namespace: 'shop', hostname: `${name}.shop.svc.cluster.local`, ...known })
}

function policy(name: string, known: Partial<AuthorizationPolicy> = {}): AuthorizationPolicy {
  return { name, namespace: 'shop', scope: 'namespace', action: 'deny', dryRun: false, rules: [[]], ...known }
}

interface Parts {
  readonly upserts?: readonly (Workload | Service)[]
  readonly removed?: readonly string[]
  readonly policies?: readonly AuthorizationPolicy[]
  readonly removedPolicies?: readonly string[]
}

function delta({ upserts = [], removed = [], policies = [], removedPolicies = [] }: Parts): MeshDelta {
  const addresses = upserts.map((one): Address =>
    'uid' in one ? { kind: 'workload', workload: one } : { kind: 'service', service: one },
  )
  return {
    addresses: { upserts: addresses, removed },
    policies: { upserts: policies, removed: removedPolicies },
  }
}

function mesh(...parts: readonly Parts[]): MeshSnapshot {
  const snapshot = new MeshSnapshot()
  for (const part of parts) snapshot.apply(delta(part))
  return snapshot
}

const inWeb = {
  services: { [WEB]: [{ servicePort: 80, targetPort: 8080, appProtocol: 'unknown' as const }] },
}
const endpointUids = (snapshot: MeshSnapshot): string[] => [
  ...snapshot.endpointsOf(service('web')).workloads.keys(),
]

test.each([
  {
    name: 'a pod with HBONE before a pod without',
    uids: ['c//Pod/shop/a', 'c//Pod/shop/b'],
    hbone: [false, true],
    winner: 'c//Pod/shop/b',
  },
  {
    name: 'a pod without HBONE before another workload with',
    uids: ['c/networking.istio.io/WorkloadEntry/shop/a', 'c//Pod/shop/b'],
    hbone: [true, false],
    winner: 'c//Pod/shop/b',
  },
  { name: 'HBONE before nothing', uids: ['x', 'y'], hbone: [false, true], winner: 'y' },
  { name: 'the first of equals', uids: ['x', 'y'], hbone: [false, false], winner: 'x' },
])('MeshSnapshot.workloadByAddress() prefers $name', ({ uids, hbone, winner }) => {
  const upserts = uids.map((uid, i) =>
    workload(uid, { addresses: ['10.0.0.1'], tunnelProtocol: hbone[i] === true ? 'hbone' : 'none' }),
  )
  const snapshot = mesh({ upserts })
  expect(snapshot.workloadByAddress('', '10.0.0.1')?.uid).toBe(winner)
  snapshot.apply(delta({ removed: [winner] }))
  expect(snapshot.workloadByAddress('', '10.0.0.1')?.uid).toBe(uids.find((uid) => uid !== winner))
})

test('MeshSnapshot.workloadByAddress() keeps networks apart and leaves host-network pods out', () => {
  const snapshot = mesh({
    upserts: [
      workload('a', { addresses: ['10.0.0.1', 'fd00::1'], network: 'n1' }),
      workload('b', { addresses: ['10.0.0.1'], network: 'n2' }),
      workload('host', { addresses: ['10.0.0.2'], network: 'n1', networkMode: 'host-network' }),
    ],
  })
  const found = (network: string, ip: string) => snapshot.workloadByAddress(network, ip)?.uid
  expect([
    found('n1', '10.0.0.1'),
    found('n1', 'fd00::1'),
    found('n2', '10.0.0.1'),
    found('', '10.0.0.1'),
    found('n1', '10.0.0.2'),
  ]).toEqual(['a', 'a', 'b', undefined, undefined])
})

test('MeshSnapshot.apply() replaces a workload, with its old addresses and memberships', () => {
  const snapshot = mesh(
    { upserts: [service('web'), workload('a', { addresses: ['10.0.0.1'], ...inWeb })] },
    { upserts: [workload('a', { addresses: ['10.0.0.2'] })] },
  )
  expect(snapshot.workloadByAddress('', '10.0.0.1')).toBeUndefined()
  expect(snapshot.workloadByAddress('', '10.0.0.2')?.uid).toBe('a')
  expect(endpointUids(snapshot)).toEqual([])
  expect(snapshot.workloadCount).toBe(1)
})

test('MeshSnapshot.apply() removes by UID, else by service name, and ignores other names', () => {
  const snapshot = mesh({ upserts: [service('web'), workload('a')] })
  const change = snapshot.apply(delta({ removed: ['a', WEB, 'shop/x/y', 'nobody'] }))
  expect([...change.workloads.keys()]).toEqual(['a'])
  expect([...change.services]).toEqual([WEB])
  expect([snapshot.workload('a'), snapshot.service(WEB)]).toEqual([undefined, undefined])
})

test('MeshSnapshot.apply() removes before it adds, so that a name in both is there afterwards', () => {
  const snapshot = mesh({ upserts: [workload('a', { addresses: ['10.0.0.1'] })] })
  const change = snapshot.apply(
    delta({ removed: ['a'], upserts: [workload('a', { addresses: ['10.0.0.2'] })] }),
  )
  expect(snapshot.workloadByAddress('', '10.0.0.2')?.uid).toBe('a')
  expect(change.workloads.get('a')).toMatchObject({
    before: { addresses: ['10.0.0.1'] },
    after: { addresses: ['10.0.0.2'] },
  })
})

test('MeshSnapshot.apply() tells what changed and counts versions', () => {
  const snapshot = new MeshSnapshot()
  const first = snapshot.apply(delta({ upserts: [workload('a'), service('web')], policies: [policy('p')] }))
  expect(first.version).toBe(1)
  expect(first.workloads.get('a')?.before).toBeUndefined()
  expect([...first.services, ...first.policies]).toEqual([WEB, 'shop/p'])
  const second = snapshot.apply(delta({ removed: ['a'], removedPolicies: ['shop/p', 'shop/unknown'] }))
  expect(second.workloads.get('a')?.after).toBeUndefined()
  expect([...second.policies]).toEqual(['shop/p'])
  expect(snapshot.version).toBe(2)
})

test('MeshSnapshot keeps endpoints that come before their service, and keeps them when it is sent again', () => {
  const snapshot = mesh({ upserts: [workload('a', inWeb)] })
  expect(Object.keys(snapshot.dump().stagedServices)).toEqual([WEB])
  snapshot.apply(delta({ upserts: [service('web')] }))
  expect(endpointUids(snapshot)).toEqual(['a'])
  snapshot.apply(
    delta({
      upserts: [service('web', { ports: [{ servicePort: 80, targetPort: 80, appProtocol: 'tcp' }] })],
    }),
  )
  expect(endpointUids(snapshot)).toEqual(['a'])
  snapshot.apply(delta({ removed: [WEB] }))
  expect(Object.keys(snapshot.dump().stagedServices)).toEqual([WEB])
  snapshot.apply(delta({ removed: ['a'] }))
  expect(snapshot.dump().stagedServices).toEqual({})
})

test('MeshSnapshot.localWorkload() wants name, namespace and service account to agree', () => {
  const snapshot = mesh({
    upserts: [workload('c//Pod/shop/web-1', { name: 'web-1', serviceAccount: 'web' })],
  })
  const local = (serviceAccount: string) =>
    snapshot.localWorkload({ name: 'web-1', namespace: 'shop', serviceAccount })
  expect(local('web')?.uid).toBe('c//Pod/shop/web-1')
  expect(local('default')).toBeUndefined()
})

const vip = (ip: string, prefixLength?: number) => ({
  addresses: [{ network: '', ip, ...(prefixLength !== undefined && { prefixLength }) }],
})
const own = { namespace: 'shop' }
const foreign = { namespace: 'bank' }

test.each([
  {
    name: 'an exact address before a range',
    services: [service('range', vip('10.96.0.0', 16)), service('exact', vip('10.96.0.1'))],
    expected: 'exact',
  },
  {
    name: 'a full-length prefix as an exact address',
    services: [service('range', vip('10.96.0.0', 16)), service('exact', vip('10.96.0.1', 32))],
    expected: 'exact',
  },
  {
    name: 'the longer prefix',
    services: [service('short', vip('10.96.0.0', 12)), service('long', vip('10.96.0.0', 24))],
    expected: 'long',
  },
  {
    name: 'the own namespace before a longer prefix',
    services: [
      service('long', { ...foreign, ...vip('10.96.0.0', 24) }),
      service('short', { ...own, ...vip('10.96.0.0', 12) }),
    ],
    expected: 'short',
  },
  {
    name: 'the own namespace before a canonical one',
    services: [
      service('c', { ...foreign, ...vip('10.96.0.1'), canonical: true }),
      service('o', vip('10.96.0.1')),
    ],
    expected: 'o',
  },
  {
    name: 'a canonical one before the first',
    services: [
      service('f', { ...foreign, ...vip('10.96.0.1') }),
      service('c', { ...foreign, hostname: 'x', ...vip('10.96.0.1'), canonical: true }),
    ],
    expected: 'c',
  },
  {
    name: 'a canonical range of equals',
    services: [
      service('f', { ...foreign, ...vip('10.96.0.0', 24) }),
      service('c', { ...foreign, hostname: 'x', ...vip('10.96.0.0', 24), canonical: true }),
    ],
    expected: 'c',
  },
  {
    name: 'no private service of another namespace',
    services: [service('p', { ...foreign, ...vip('10.96.0.1'), visibility: 'namespace' })],
    expected: undefined,
  },
  {
    name: 'a public range before a private address',
    services: [
      service('p', { ...foreign, ...vip('10.96.0.1'), visibility: 'namespace' }),
      service('range', vip('10.96.0.0', 16)),
    ],
    expected: 'range',
  },
  {
    name: 'a private service of the own namespace',
    services: [service('p', { ...vip('10.96.0.1'), visibility: 'namespace' })],
    expected: 'p',
  },
  {
    name: 'no range that does not hold it',
    services: [service('r', vip('10.97.0.0', 16)), service('six', vip('::', 8))],
    expected: undefined,
  },
])('MeshSnapshot.serviceByVip() finds $name', ({ services, expected }) => {
  const snapshot = mesh({ upserts: services })
  expect(snapshot.serviceByVip('', '10.96.0.1', 'shop')?.name).toBe(expected)
  snapshot.apply(delta({ removed: services.map(({ namespace, hostname }) => `${namespace}/${hostname}`) }))
  expect(snapshot.serviceByVip('', '10.96.0.1', 'shop')).toBeUndefined()
})

test('MeshSnapshot.serviceByVip() finds IPv6 ranges that end inside a byte', () => {
  const snapshot = mesh({ upserts: [service('six', vip('2001:2::', 47))] })
  expect(snapshot.serviceByVip('', '2001:2:1::9', 'shop')?.name).toBe('six')
  expect(snapshot.serviceByVip('', '2001:2:2::9', 'shop')).toBeUndefined()
})

test('MeshSnapshot.policiesFor() takes the mesh’s, the namespace’s and the named ones, each once', () => {
  const snapshot = mesh({
    policies: [
      policy('ns'),
      policy('root', { namespace: 'istio-system', scope: 'global' }),
      policy('other', { namespace: 'bank' }),
      policy('chosen', { scope: 'workload-selector' }),
      policy('not-chosen', { scope: 'workload-selector' }),
    ],
  })
  const { policies, unknown } = snapshot.policiesFor(
    workload('a', { authorizationPolicies: ['shop/chosen', 'shop/ns', 'shop/late'] }),
  )
  expect(policies.map(({ name }) => name)).toEqual(['ns', 'root', 'chosen'])
  expect(unknown).toEqual(['shop/late'])
})

test('MeshSnapshot.compiledPoliciesFor() follows each change of policy', () => {
  const subject = workload('a', { authorizationPolicies: ['shop/p'] })
  const attempt = {
    sourceIdentity: undefined,
    sourceIp: '10.0.0.1',
    destinationIp: '10.0.0.2',
    destinationPort: 80,
  }
  const snapshot = new MeshSnapshot()
  const because = () => snapshot.compiledPoliciesFor(subject).decide(attempt).because
  expect(because()).toEqual({ kind: 'policy-unknown', policy: 'shop/p' })
  snapshot.apply(delta({ policies: [policy('p', { scope: 'workload-selector' })] }))
  expect(because()).toEqual({ kind: 'policy', policy: 'shop/p' })
  snapshot.apply(delta({ policies: [policy('p', { scope: 'workload-selector', rules: [] })] }))
  expect(because()).toEqual({ kind: 'no-allow-policy' })
  snapshot.apply(delta({ policies: [policy('p', { action: 'allow', rules: [] })] }))
  expect(because()).toEqual({ kind: 'no-policy-matched', policies: ['shop/p'] })
  snapshot.apply(delta({ removedPolicies: ['shop/p'] }))
  expect(because()).toEqual({ kind: 'policy-unknown', policy: 'shop/p' })
})

test('MeshSnapshot.apply() costs the same for the last of 20,000 workloads as for the first of them', () => {
  const make = (i: number) =>
    workload(`c//Pod/shop/${i}`, {
      addresses: [`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`],
      ...inWeb,
    })
  const snapshot = mesh({ upserts: [service('web')] })
  /** The best of twenty tries: whatever else the machine does only makes a try longer. */
  const bestMs = (from: number): number => {
    const tries = Array.from({ length: 20 }, (_, n) => {
      const startMs = performance.now()
      for (let i = from + n * 50; i < from + n * 50 + 50; i++) snapshot.apply(delta({ upserts: [make(i)] }))
      return performance.now() - startMs
    })
    return Math.min(...tries)
  }
  bestMs(0)
  const early = bestMs(1000)
  snapshot.apply(delta({ upserts: Array.from({ length: 20_000 }, (_, i) => make(i + 10_000)) }))
  const late = bestMs(40_000)
  expect(snapshot.workloadCount).toBe(23_000)
  expect(late).toBeLessThan(early * 5 + 5)
})
