import { ipToBytes } from '@ambient/model'
import { parseSpiffeId } from '@ambient/spiffe'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type {
  AuthorizationPolicy,
  IpPrefix,
  Match,
  ServiceAccountMatch,
  StringMatch,
} from './authorization-policy.ts'
import { policyKey } from './authorization-policy.ts'
import { compilePolicies, type ConnectionAttempt, decide } from './decide.ts'

const namespaces = fc.constantFrom('shop', 'bank', 'shopping')
const accounts = fc.constantFrom('web', 'api')
const ips = fc.constantFrom('10.1.0.7', '10.1.0.9', '10.2.0.1', 'fd00::7', 'fd00::9')
const portNumbers = fc.constantFrom(80, 8080)
const texts = fc.constantFrom(
  '',
  'shop',
  'sho',
  'web',
  'cluster.local/ns/shop/sa/web',
  'cluster.local/ns/',
  '/sa/web',
)
const strings: fc.Arbitrary<StringMatch> = fc.oneof(
  fc.record({ kind: fc.constantFrom('exact' as const, 'prefix' as const, 'suffix' as const), value: texts }),
  fc.constant({ kind: 'presence' as const }),
)
const accountMatches: fc.Arbitrary<ServiceAccountMatch> = fc.record({
  namespace: namespaces,
  serviceAccount: accounts,
})
const prefixes: fc.Arbitrary<IpPrefix> = fc
  .tuple(ips, fc.nat(128))
  .map(([ip, length]) => ({ ip, length: ip.includes(':') ? length : length % 33 }))
const few = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(item, { maxLength: 2 })
const matches: fc.Arbitrary<Match> = fc.record(
  {
    namespaces: few(strings),
    notNamespaces: few(strings),
    principals: few(strings),
    notPrincipals: few(strings),
    serviceAccounts: few(accountMatches),
    notServiceAccounts: few(accountMatches),
    sourceIps: few(prefixes),
    notSourceIps: few(prefixes),
    destinationIps: few(prefixes),
    notDestinationIps: few(prefixes),
    destinationPorts: few(portNumbers),
    notDestinationPorts: few(portNumbers),
  },
  { requiredKeys: [] },
)
const policies: fc.Arbitrary<AuthorizationPolicy> = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  namespace: fc.constant('shop'),
  scope: fc.constant('namespace' as const),
  action: fc.constantFrom('allow' as const, 'deny' as const),
  dryRun: fc.boolean(),
  rules: few(few(few(matches))),
})
const attempts: fc.Arbitrary<ConnectionAttempt> = fc.record({
  sourceIdentity: fc.option(
    fc
      .tuple(namespaces, accounts)
      .map(([ns, sa]) => parseSpiffeId(`spiffe://cluster.local/ns/${ns}/sa/${sa}`)),
    { nil: undefined },
  ),
  sourceIp: ips,
  destinationIp: ips,
  destinationPort: portNumbers,
})
const sets = fc.array(policies, { maxLength: 5 })

test('decide() equals a naive reading of the rules', () => {
  fc.assert(
    fc.property(sets, attempts, (set, attempt) => {
      expect(decide(set, attempt)).toEqual(naive(set, attempt))
    }),
    { numRuns: 2000 },
  )
})

test('decide() never allows more when a DENY is added', () => {
  fc.assert(
    fc.property(sets, policies, attempts, (set, added, attempt) => {
      if (decide(set, attempt).verdict === 'allow') return
      expect(decide([...set, { ...added, action: 'deny' }], attempt).verdict).toBe('deny')
    }),
  )
})

test('decide() never lets a dry-run policy change the verdict', () => {
  fc.assert(
    fc.property(sets, policies, attempts, (set, added, attempt) => {
      expect(decide([...set, { ...added, dryRun: true }], attempt).verdict).toBe(decide(set, attempt).verdict)
    }),
  )
})

test('decide() gives one verdict whatever the order of policies', () => {
  fc.assert(
    fc.property(sets, attempts, (set, attempt) => {
      expect(decide(set.toReversed(), attempt).verdict).toBe(decide(set, attempt).verdict)
    }),
  )
})

test('compilePolicies() never allows while a named policy is unknown', () => {
  fc.assert(
    fc.property(sets, attempts, (set, attempt) => {
      expect(compilePolicies(set, ['shop/late']).decide(attempt).verdict).toBe('deny')
    }),
  )
})

test('decide() takes policies that crossed a thread', () => {
  fc.assert(
    fc.property(sets, attempts, (set, attempt) => {
      expect(decide(structuredClone(set), attempt)).toEqual(decide(set, attempt))
    }),
  )
})

/** Written from the table of rules alone: strings, big integers, no sharing with the code under test. */
function naive(set: readonly AuthorizationPolicy[], attempt: ConnectionAttempt): unknown {
  const hit = set.filter((policy) => naivePolicy(policy, attempt))
  const dry = hit.filter((policy) => policy.dryRun)
  const dryRun: unknown[] = dry.map((p) => ({
    kind: p.action === 'deny' ? 'would-deny' : 'would-allow',
    policy: policyKey(p),
  }))
  if (set.some((p) => p.dryRun && p.action === 'allow') && !dry.some((p) => p.action === 'allow'))
    dryRun.push({ kind: 'would-allow-nothing' })
  const enforced = hit.filter((policy) => !policy.dryRun)
  const deny = enforced.find((policy) => policy.action === 'deny')
  if (deny !== undefined)
    return { verdict: 'deny', because: { kind: 'policy', policy: policyKey(deny) }, dryRun }
  if (!set.some((policy) => !policy.dryRun && policy.action === 'allow'))
    return { verdict: 'allow', because: { kind: 'no-allow-policy' }, dryRun }
  const allow = enforced.find((policy) => policy.action === 'allow')
  const allows = set.filter((p) => !p.dryRun && p.action === 'allow').map(policyKey)
  if (allow === undefined)
    return { verdict: 'deny', because: { kind: 'no-policy-matched', policies: allows }, dryRun }
  return { verdict: 'allow', because: { kind: 'policy', policy: policyKey(allow) }, dryRun }
}

function naivePolicy(policy: AuthorizationPolicy, attempt: ConnectionAttempt): boolean {
  return policy.rules.some((rule) =>
    rule.every(
      (clause) =>
        clause.length === 0 || clause.some((match) => isSaying(match) && naiveMatch(match, attempt)),
    ),
  )
}

function isSaying(match: Match): boolean {
  return Object.values(match).some((list: unknown) => Array.isArray(list) && list.length > 0)
}

function naiveMatch(match: Match, attempt: ConnectionAttempt): boolean {
  const id = attempt.sourceIdentity?.replace('spiffe://', '')
  const [, , namespace = '', , account] = id?.split('/') ?? []
  const principal = (entry: StringMatch): boolean => id !== undefined && naiveString(entry, id)
  const inNamespace = (entry: StringMatch): boolean => naiveString(entry, namespace)
  const byAccount = (entry: ServiceAccountMatch): boolean =>
    id !== undefined && entry.namespace === namespace && entry.serviceAccount === account
  const holds = <T>(
    yes: readonly T[] | undefined,
    no: readonly T[] | undefined,
    meets: (entry: T) => boolean,
  ): boolean => (yes === undefined || yes.length === 0 || yes.some(meets)) && !(no ?? []).some(meets)
  return (
    holds(match.principals, match.notPrincipals, principal) &&
    holds(match.namespaces, match.notNamespaces, inNamespace) &&
    holds(match.serviceAccounts, match.notServiceAccounts, byAccount) &&
    holds(match.sourceIps, match.notSourceIps, (entry) => naivePrefix(entry, attempt.sourceIp)) &&
    holds(match.destinationIps, match.notDestinationIps, (entry) =>
      naivePrefix(entry, attempt.destinationIp),
    ) &&
    holds(match.destinationPorts, match.notDestinationPorts, (port) => port === attempt.destinationPort)
  )
}

function naiveString(entry: StringMatch, text: string): boolean {
  if (entry.kind === 'presence') return text.length > 0
  if (entry.kind === 'exact') return text === entry.value
  return entry.kind === 'prefix'
    ? text.indexOf(entry.value) === 0
    : text.slice(text.length - entry.value.length) === entry.value
}

function naivePrefix({ ip, length }: IpPrefix, address: string): boolean {
  if (ip.includes(':') !== address.includes(':')) return false
  const bits = ip.includes(':') ? 128 : 32
  const shift = BigInt(bits - length)
  return number(ip) >> shift === number(address) >> shift
}

function number(ip: string): bigint {
  return (ipToBytes(ip) ?? new Uint8Array()).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}
