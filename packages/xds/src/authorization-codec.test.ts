import type { AuthorizationPolicy, Match, StringMatch } from '@ambient/policy'
import { encodeWireAuthorization, type WireAuthorization, type WireMatch } from '@ambient/xds-proto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AUTHORIZATION_TYPE, decodeAuthorization, encodeAuthorizationResource, XdsError } from './index.ts'

const text = fc.stringMatching(/^[a-z0-9./-]{0,12}$/)
const strings = fc.array(
  fc.oneof<fc.Arbitrary<StringMatch>[]>(
    fc.record({ kind: fc.constantFrom('exact', 'prefix', 'suffix'), value: text }),
    fc.constant({ kind: 'presence' }),
  ),
  { minLength: 1, maxLength: 2 },
)
const prefixes = fc.array(
  fc.oneof(
    fc.record({ ip: fc.ipV4(), length: fc.nat(32) }),
    fc.record({ ip: fc.constantFrom('fd00::1', '::1'), length: fc.nat(128) }),
  ),
  { minLength: 1, maxLength: 2 },
)
const ports = fc.array(fc.nat(65_535), { minLength: 1, maxLength: 3 })
const accounts = fc.array(fc.record({ namespace: text, serviceAccount: text }), {
  minLength: 1,
  maxLength: 2,
})
const match: fc.Arbitrary<Match> = fc.record(
  {
    namespaces: strings,
    notNamespaces: strings,
    principals: strings,
    notPrincipals: strings,
    sourceIps: prefixes,
    notSourceIps: prefixes,
    destinationIps: prefixes,
    notDestinationIps: prefixes,
    destinationPorts: ports,
    notDestinationPorts: ports,
    serviceAccounts: accounts,
    notServiceAccounts: accounts,
  },
  { requiredKeys: [] },
)
const policy: fc.Arbitrary<AuthorizationPolicy> = fc.record({
  name: fc.stringMatching(/^[a-z]{1,8}$/),
  namespace: text,
  scope: fc.constantFrom('global', 'namespace', 'workload-selector'),
  action: fc.constantFrom('allow', 'deny'),
  dryRun: fc.boolean(),
  rules: fc.array(fc.array(fc.array(match, { maxLength: 2 }), { maxLength: 2 }), { maxLength: 2 }),
})

test('decodeAuthorization() gives back the policy that encodeAuthorizationResource() took, under its name', () => {
  fc.assert(
    fc.property(policy, (given) => {
      const { name, typeUrl, bytes } = encodeAuthorizationResource(given)
      expect({ name, typeUrl }).toEqual({
        name: `${given.namespace}/${given.name}`,
        typeUrl: AUTHORIZATION_TYPE,
      })
      expect(decodeAuthorization(bytes)).toEqual(given)
    }),
  )
})

test('encodeAuthorizationResource() gives equal bytes for lists that are empty and absent', () => {
  const empty = { name: 'a', namespace: 'b', scope: 'global', action: 'deny', dryRun: false } as const
  expect(encodeAuthorizationResource({ ...empty, rules: [[[{ namespaces: [], sourceIps: [] }]]] })).toEqual(
    encodeAuthorizationResource({ ...empty, rules: [[[{}]]] }),
  )
})

const matching = (entry: WireMatch): WireAuthorization => ({
  name: 'a',
  rules: [{ clauses: [{ matches: [entry] }] }],
})
test.each<{ name: string; wire: WireAuthorization }>([
  ...[0, 3, 5, 17].map((length) => ({
    name: `a source of ${length} bytes`,
    wire: matching({ sourceIps: [{ address: new Uint8Array(length), length: 0 }] }),
  })),
  {
    name: 'an excluded destination of 5 bytes',
    wire: matching({ notDestinationIps: [{ address: new Uint8Array(5), length: 8 }] }),
  },
  {
    name: 'a prefix longer than its address',
    wire: matching({ sourceIps: [{ address: new Uint8Array(4), length: 33 }] }),
  },
  { name: 'a string match of no kind', wire: matching({ namespaces: [{}] }) },
  { name: 'an excluding string match of no kind', wire: matching({ notPrincipals: [{}] }) },
  { name: 'a good entry beside a bad one', wire: matching({ principals: [{ exact: 'a' }, {}] }) },
  { name: 'a port that is none', wire: matching({ destinationPorts: [65_536] }) },
  { name: 'an unknown scope', wire: { name: 'a', scope: 99 } },
  { name: 'an unknown action', wire: { name: 'a', action: 99 } },
  { name: 'a policy without name', wire: {} },
])('decodeAuthorization() refuses $name', ({ wire }) => {
  expect(() => decodeAuthorization(encodeWireAuthorization(wire))).toThrow(XdsError)
})
