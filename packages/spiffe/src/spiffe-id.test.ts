import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { SpiffeError } from './spiffe-error.ts'
import { isSpiffeId, parseSpiffeId, spiffeId, spiffeParts } from './spiffe-id.ts'
import { parseTrustDomain } from './trust-domain.ts'

test.each(['spiffe://cluster.local/ns/shop/sa/web', 'spiffe://a_b-c.9/ns/kube-system/sa/default'])(
  'parseSpiffeId() accepts %s',
  (text) => expect(parseSpiffeId(text)).toBe(text),
)

test.each([
  '',
  'cluster.local/ns/shop/sa/web',
  'SPIFFE://cluster.local/ns/shop/sa/web',
  'spiffe:///ns/shop/sa/web',
  'spiffe://Cluster.local/ns/shop/sa/web',
  'spiffe://cluster.local',
  'spiffe://cluster.local/ns/shop',
  'spiffe://cluster.local/ns/shop/sa/',
  'spiffe://cluster.local/ns//sa/web',
  'spiffe://cluster.local/ns/shop/sa/web/',
  'spiffe://cluster.local/ns/shop/sa/web/x',
  'spiffe://cluster.local/sa/web/ns/shop',
  'spiffe://cluster.local:80/ns/shop/sa/web',
  'spiffe://u@cluster.local/ns/shop/sa/web',
  'spiffe://cluster.local/ns/shop/sa/web?q',
  'spiffe://cluster.local/ns/shop/sa/web#f',
  'spiffe://cluster.local/ns/sh%20op/sa/web',
  'spiffe://cluster.local/ns/shop/sa/web\n',
  ' spiffe://cluster.local/ns/shop/sa/web',
  'spiffe://cluster.local/ns/../sa/web',
  'spiffe://cluster.local/ns/shop/sa/.',
  `spiffe://cluster.local/ns/shop/sa/${'x'.repeat(2048)}`,
  `spiffe://${'x'.repeat(256)}/ns/shop/sa/web`,
])('parseSpiffeId() refuses "%s"', (text) => {
  expect(isSpiffeId(text)).toBe(false)
  expect(() => parseSpiffeId(text)).toThrow(SpiffeError)
})

const part = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$/)

test('spiffeParts() undoes spiffeId()', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z0-9._-]{1,60}$/),
      part,
      part,
      (trustDomain, namespace, serviceAccount) => {
        expect(spiffeParts(spiffeId({ trustDomain, namespace, serviceAccount }))).toEqual({
          trustDomain,
          namespace,
          serviceAccount,
        })
      },
    ),
  )
})

test('spiffeId() cannot be made to hold a further segment', () => {
  expect(() => spiffeId({ trustDomain: 'td', namespace: 'a/sa/root', serviceAccount: 'b' })).toThrow(
    'Cannot parse SPIFFE ID',
  )
})

test('parseTrustDomain() names what it refused', () => {
  expect(parseTrustDomain('cluster.local')).toBe('cluster.local')
  expect(() => parseTrustDomain('Cluster')).toThrow('Cannot parse trust domain "Cluster"')
})
