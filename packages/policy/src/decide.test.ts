import { parseSpiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import type { AuthorizationPolicy, Match } from './authorization-policy.ts'
import { compilePolicies, type ConnectionAttempt, decide } from './decide.ts'

const web = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')
const fromWeb: ConnectionAttempt = {
  sourceIdentity: web,
  sourceIp: '10.1.0.7',
  destinationIp: '10.1.0.9',
  destinationPort: 8080,
}
const plaintext: ConnectionAttempt = { ...fromWeb, sourceIdentity: undefined }
const fromV6: ConnectionAttempt = { ...fromWeb, sourceIp: 'fd00::7', destinationIp: 'fd00::9' }

function policy(
  name: string,
  action: 'allow' | 'deny',
  rules: AuthorizationPolicy['rules'],
  dryRun = false,
): AuthorizationPolicy {
  return { name, namespace: 'shop', scope: 'namespace', action, dryRun, rules }
}

const always: AuthorizationPolicy['rules'] = [[]]
const never: AuthorizationPolicy['rules'] = []
const allowed = (name: string) => ({
  verdict: 'allow',
  because: { kind: 'policy', policy: `shop/${name}` },
  dryRun: [],
})
const denied = (name: string) => ({
  verdict: 'deny',
  because: { kind: 'policy', policy: `shop/${name}` },
  dryRun: [],
})
const noPolicyMatched = {
  verdict: 'deny',
  because: { kind: 'no-policy-matched', policies: ['shop/n'] },
  dryRun: [],
}
const noAllowPolicy = { verdict: 'allow', because: { kind: 'no-allow-policy' }, dryRun: [] }

test.each([
  { name: 'decide() allows without policies', policies: [], expected: noAllowPolicy },
  {
    name: 'decide() allows when only DENY policies exist and none matches',
    policies: [policy('d', 'deny', never)],
    expected: noAllowPolicy,
  },
  {
    name: 'decide() prefers a matching DENY to a matching ALLOW',
    policies: [policy('a', 'allow', always), policy('d', 'deny', always)],
    expected: denied('d'),
  },
  {
    name: 'decide() names the policy that allowed',
    policies: [policy('n', 'allow', never), policy('a', 'allow', always)],
    expected: allowed('a'),
  },
  {
    name: 'decide() denies when ALLOW policies exist and none matches',
    policies: [policy('n', 'allow', never)],
    expected: noPolicyMatched,
  },
  {
    name: 'decide() ignores a dry-run DENY but reports it',
    policies: [policy('d', 'deny', always, true)],
    expected: { ...noAllowPolicy, dryRun: [{ kind: 'would-deny', policy: 'shop/d' }] },
  },
  {
    name: 'decide() does not count a dry-run ALLOW as an ALLOW',
    policies: [policy('a', 'allow', always, true)],
    expected: { ...noAllowPolicy, dryRun: [{ kind: 'would-allow', policy: 'shop/a' }] },
  },
  {
    name: 'decide() reports that dry-run ALLOWs would allow nothing',
    policies: [policy('a', 'allow', never, true)],
    expected: { ...noAllowPolicy, dryRun: [{ kind: 'would-allow-nothing' }] },
  },
])('$name', ({ policies, expected }) => expect(decide(policies, fromWeb)).toEqual(expected))

test.each([
  {
    name: 'denies while a named policy is unknown',
    policies: [policy('a', 'allow', always)],
    because: { kind: 'policy-unknown', policy: 'shop/late' },
  },
  {
    name: 'still names a DENY policy that matches',
    policies: [policy('d', 'deny', always)],
    because: { kind: 'policy', policy: 'shop/d' },
  },
])('compilePolicies() $name', ({ policies, because }) => {
  expect(compilePolicies(policies, ['shop/late']).decide(fromWeb)).toMatchObject({ verdict: 'deny', because })
})

test.each([
  { name: 'a policy without rules never matches', rules: [], expected: false },
  { name: 'a rule without clauses always matches', rules: [[]], expected: true },
  { name: 'a clause without matches always matches', rules: [[[]]], expected: true },
  { name: 'a clause whose matches are all empty never matches', rules: [[[{}]]], expected: false },
  {
    name: 'an empty list says nothing, so a match of empty lists is empty',
    rules: [[[{ principals: [], destinationPorts: [] }]]],
    expected: false,
  },
  {
    name: 'an empty match is skipped beside one that matches',
    rules: [[[{}, { destinationPorts: [8080] }]]],
    expected: true,
  },
  {
    name: 'rules are joined by or',
    rules: [[[{ destinationPorts: [1] }]], [[{ destinationPorts: [8080] }]]],
    expected: true,
  },
  {
    name: 'clauses are joined by and',
    rules: [[[{ destinationPorts: [8080] }], [{ destinationPorts: [1] }]]],
    expected: false,
  },
  {
    name: 'matches are joined by or',
    rules: [[[{ destinationPorts: [1] }, { destinationPorts: [8080] }]]],
    expected: true,
  },
  {
    name: 'fields of a match are joined by and',
    rules: [[[{ destinationPorts: [8080], namespaces: [{ kind: 'exact', value: 'other' }] }]]],
    expected: false,
  },
] satisfies { name: string; rules: AuthorizationPolicy['rules']; expected: boolean }[])(
  'decide(): $name',
  ({ rules, expected }) =>
    expect(decide([policy('d', 'deny', rules)], fromWeb).verdict).toBe(expected ? 'deny' : 'allow'),
)

const principal = 'cluster.local/ns/shop/sa/web'
const rows: readonly {
  readonly match: Match
  readonly identity: boolean
  readonly plain: boolean
  readonly says: string
}[] = [
  {
    says: 'an exact principal',
    match: { principals: [{ kind: 'exact', value: principal }] },
    identity: true,
    plain: false,
  },
  {
    says: 'another principal',
    match: { principals: [{ kind: 'exact', value: 'cluster.local/ns/shop/sa/api' }] },
    identity: false,
    plain: false,
  },
  {
    says: 'a principal written with spiffe://',
    match: { principals: [{ kind: 'exact', value: `spiffe://${principal}` }] },
    identity: false,
    plain: false,
  },
  {
    says: 'a prefix of the principal',
    match: { principals: [{ kind: 'prefix', value: 'cluster.local/ns/shop/' }] },
    identity: true,
    plain: false,
  },
  {
    says: 'an empty prefix',
    match: { principals: [{ kind: 'prefix', value: '' }] },
    identity: true,
    plain: false,
  },
  {
    says: 'a suffix of the principal',
    match: { principals: [{ kind: 'suffix', value: '/sa/web' }] },
    identity: true,
    plain: false,
  },
  {
    says: 'presence of a principal',
    match: { principals: [{ kind: 'presence' }] },
    identity: true,
    plain: false,
  },
  {
    says: 'an empty exact principal',
    match: { principals: [{ kind: 'exact', value: '' }] },
    identity: false,
    plain: false,
  },
  {
    says: 'any of several principals',
    match: {
      principals: [
        { kind: 'exact', value: 'x' },
        { kind: 'suffix', value: 'web' },
      ],
    },
    identity: true,
    plain: false,
  },
  {
    says: 'not a principal',
    match: { notPrincipals: [{ kind: 'exact', value: principal }] },
    identity: false,
    plain: true,
  },
  {
    says: 'absence of a principal (STRICT)',
    match: { notPrincipals: [{ kind: 'presence' }] },
    identity: false,
    plain: true,
  },
  {
    says: 'a namespace',
    match: { namespaces: [{ kind: 'exact', value: 'shop' }] },
    identity: true,
    plain: false,
  },
  {
    says: 'presence of a namespace',
    match: { namespaces: [{ kind: 'presence' }] },
    identity: true,
    plain: false,
  },
  {
    says: 'not a namespace',
    match: { notNamespaces: [{ kind: 'exact', value: 'shop' }] },
    identity: false,
    plain: true,
  },
  {
    says: 'a service account',
    match: { serviceAccounts: [{ namespace: 'shop', serviceAccount: 'web' }] },
    identity: true,
    plain: false,
  },
  {
    says: 'a service account of another namespace',
    match: { serviceAccounts: [{ namespace: 'x', serviceAccount: 'web' }] },
    identity: false,
    plain: false,
  },
  {
    says: 'not a service account',
    match: { notServiceAccounts: [{ namespace: 'shop', serviceAccount: 'web' }] },
    identity: false,
    plain: true,
  },
  {
    says: 'a service account without a name',
    match: { serviceAccounts: [{ namespace: '', serviceAccount: '' }] },
    identity: false,
    plain: false,
  },
  {
    says: 'a network that is none',
    match: { sourceIps: [{ ip: 'nowhere', length: 0 }] },
    identity: false,
    plain: false,
  },
  {
    says: 'a source network',
    match: { sourceIps: [{ ip: '10.1.0.0', length: 16 }] },
    identity: true,
    plain: true,
  },
  {
    says: 'another source network',
    match: { sourceIps: [{ ip: '10.2.0.0', length: 16 }] },
    identity: false,
    plain: false,
  },
  {
    says: 'every IPv4 source',
    match: { sourceIps: [{ ip: '0.0.0.0', length: 0 }] },
    identity: true,
    plain: true,
  },
  {
    says: 'every IPv6 source, asked of IPv4',
    match: { sourceIps: [{ ip: '::', length: 0 }] },
    identity: false,
    plain: false,
  },
  {
    says: 'not a source network',
    match: { notSourceIps: [{ ip: '10.1.0.0', length: 16 }] },
    identity: false,
    plain: false,
  },
  {
    says: 'a mapped source address',
    match: { sourceIps: [{ ip: '::ffff:10.1.0.7', length: 32 }] },
    identity: true,
    plain: true,
  },
  {
    says: 'one destination address',
    match: { destinationIps: [{ ip: '10.1.0.9', length: 32 }] },
    identity: true,
    plain: true,
  },
  {
    says: 'not one destination address',
    match: { notDestinationIps: [{ ip: '10.1.0.9', length: 32 }] },
    identity: false,
    plain: false,
  },
  { says: 'a destination port', match: { destinationPorts: [80, 8080] }, identity: true, plain: true },
  { says: 'not a destination port', match: { notDestinationPorts: [8080] }, identity: false, plain: false },
]

test.each(rows)('decide() matches by $says', ({ match, identity, plain }) => {
  const deny = [policy('d', 'deny', [[[match]]])]
  expect(decide(deny, fromWeb).verdict).toBe(identity ? 'deny' : 'allow')
  expect(decide(deny, plaintext).verdict).toBe(plain ? 'deny' : 'allow')
})

test('decide() matches IPv6 prefixes that end inside a byte', () => {
  const deny = (ip: string, length: number) => [policy('d', 'deny', [[[{ sourceIps: [{ ip, length }] }]]])]
  expect(decide(deny('fc00::', 7), fromV6).verdict).toBe('deny')
  expect(decide(deny('fe00::', 7), fromV6).verdict).toBe('allow')
})

test('decide() finds an address that is none in no network', () => {
  const every = [
    { ip: '0.0.0.0', length: 0 },
    { ip: '::', length: 0 },
  ]
  const deny = [policy('d', 'deny', [[[{ sourceIps: every }]], [[{ destinationIps: every }]]])]
  const nowhere = { ...fromWeb, sourceIp: 'nowhere', destinationIp: 'nowhere' }
  expect(decide(deny, nowhere).verdict).toBe('allow')
})
