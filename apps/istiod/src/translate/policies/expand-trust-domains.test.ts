import type { StringMatch } from '@ambient/policy'
import { expect, test } from 'vitest'
import { expandTrustDomains } from './expand-trust-domains.ts'

const exact = (value: string): StringMatch => ({ kind: 'exact', value })
const prefix = (value: string): StringMatch => ({ kind: 'prefix', value })
const suffix = (value: string): StringMatch => ({ kind: 'suffix', value })

test.each<{ name: string; domains: readonly string[]; given: StringMatch; expected: readonly StringMatch[] }>(
  [
    {
      name: 'repeats a principal of the mesh’s own trust domain for each alias',
      domains: ['new', 'old'],
      given: exact('new/ns/shop/sa/web'),
      expected: [exact('new/ns/shop/sa/web'), exact('old/ns/shop/sa/web')],
    },
    {
      name: 'repeats a principal of an alias likewise',
      domains: ['new', 'old'],
      given: exact('old/ns/shop/sa/web'),
      expected: [exact('new/ns/shop/sa/web'), exact('old/ns/shop/sa/web')],
    },
    {
      name: 'takes cluster.local for the mesh’s own',
      domains: ['new'],
      given: exact('cluster.local/ns/shop/sa/web'),
      expected: [exact('new/ns/shop/sa/web')],
    },
    {
      name: 'repeats a prefix',
      domains: ['new', 'old'],
      given: prefix('old/ns/shop/'),
      expected: [prefix('new/ns/shop/'), prefix('old/ns/shop/')],
    },
    {
      name: 'keeps a suffix that ends a known trust domain, and names the others',
      domains: ['new', 'a-old', 'b-old'],
      given: suffix('-old/ns/shop/sa/web'),
      expected: [suffix('-old/ns/shop/sa/web'), exact('new/ns/shop/sa/web')],
    },
    {
      name: 'leaves a foreign trust domain alone',
      domains: ['new', 'old'],
      given: exact('x/ns/a/sa/b'),
      expected: [exact('x/ns/a/sa/b')],
    },
    {
      name: 'leaves any trust domain alone',
      domains: ['new', 'old'],
      given: suffix('/ns/a/sa/b'),
      expected: [suffix('/ns/a/sa/b')],
    },
    {
      name: 'leaves part of a name alone',
      domains: ['new', 'old'],
      given: suffix('sa/b'),
      expected: [suffix('sa/b')],
    },
    {
      name: 'leaves presence alone',
      domains: ['new', 'old'],
      given: { kind: 'presence' },
      expected: [{ kind: 'presence' }],
    },
    {
      name: 'does nothing in a mesh without aliases',
      domains: ['cluster.local'],
      given: exact('old/ns/a/sa/b'),
      expected: [exact('old/ns/a/sa/b')],
    },
  ],
)('expandTrustDomains() $name', ({ domains, given, expected }) => {
  const policy = { name: 'p', namespace: 'shop', scope: 'namespace', action: 'deny', dryRun: false } as const
  const rules = [[[{ principals: [given, given], notPrincipals: [given], namespaces: [exact('old')] }]]]
  const repeated = domains.length === 1 && domains[0] === 'cluster.local' ? [given, given] : expected
  expect(expandTrustDomains({ ...policy, rules }, domains).rules).toEqual([
    [[{ principals: repeated, notPrincipals: expected, namespaces: [exact('old')] }]],
  ])
})
