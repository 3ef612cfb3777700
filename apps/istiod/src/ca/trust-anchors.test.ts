import { expect, test } from 'vitest'
import { newRoot } from '../../test/new-root.ts'
import type { TrustAnchor } from '../translate/config/mesh-config.ts'
import { allRoots, anchorsOf } from './trust-anchors.ts'

const [own, everywhere, partner, old] = await Promise.all(
  [1, 2, 3, 4].map(async () => (await newRoot()).certificatePem),
)
const roots = { own: own ?? '', everywhere: everywhere ?? '', partner: partner ?? '', old: old ?? '' }
const trustAnchors: readonly TrustAnchor[] = [
  { pem: roots.everywhere.trim(), trustDomains: [] },
  { pem: roots.partner, trustDomains: ['partner.example'] },
  { pem: `${roots.old}${roots.own}`, trustDomains: ['old.example', 'another.example'] },
]

test.each<{ name: string; domains: readonly string[]; expected: readonly string[] }>([
  { name: 'only what is for every domain', domains: ['cluster.local'], expected: [roots.everywhere] },
  {
    name: 'what is for an alias as well',
    domains: ['cluster.local', 'old.example'],
    expected: [roots.everywhere, roots.old, roots.own],
  },
  {
    name: 'what is for a domain of its own',
    domains: ['partner.example'],
    expected: [roots.everywhere, roots.partner],
  },
])('anchorsOf() gives $name', ({ domains, expected }) => {
  expect(anchorsOf({ trustAnchors }, domains)).toBe(expected.join(''))
})

test('allRoots() gives every root once, the own ones first', () => {
  expect(allRoots({ trustAnchors }, roots.own)).toEqual([
    roots.own,
    roots.everywhere,
    roots.partner,
    roots.old,
  ])
  expect(allRoots({ trustAnchors: [] }, roots.own)).toEqual([roots.own])
})
