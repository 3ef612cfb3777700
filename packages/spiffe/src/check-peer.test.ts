import { expect, test } from 'vitest'
import { checkClientPeer, checkServerPeer } from './check-peer.ts'
import { parseSpiffeId } from './spiffe-id.ts'
import { parseTrustDomain } from './trust-domain.ts'

const web = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')
const api = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/api')
const foreign = parseSpiffeId('spiffe://other.example/ns/shop/sa/web')
const local = parseTrustDomain('cluster.local')

test.each([
  { name: 'checkClientPeer() accepts the one expected ID', uris: [web], expected: [web], outcome: web },
  {
    name: 'checkClientPeer() accepts any of several expected IDs',
    uris: [web],
    expected: [api, web],
    outcome: web,
  },
  {
    name: 'checkClientPeer() refuses another service account',
    uris: [api],
    expected: [web],
    outcome: 'PEER_IDENTITY_MISMATCH',
  },
  {
    name: 'checkClientPeer() refuses the same account of another trust domain',
    uris: [foreign],
    expected: [web],
    outcome: 'PEER_IDENTITY_MISMATCH',
  },
  {
    name: 'checkClientPeer() refuses everybody when nobody is expected',
    uris: [web],
    expected: [],
    outcome: 'PEER_IDENTITY_MISMATCH',
  },
  {
    name: 'checkClientPeer() refuses two URI SANs even if one is expected',
    uris: [web, api],
    expected: [web],
    outcome: 'PEER_CERTIFICATE_INVALID',
  },
  {
    name: 'checkClientPeer() refuses the same URI SAN twice',
    uris: [web, web],
    expected: [web],
    outcome: 'PEER_CERTIFICATE_INVALID',
  },
  {
    name: 'checkClientPeer() refuses a certificate without URI SAN',
    uris: [],
    expected: [web],
    outcome: 'PEER_CERTIFICATE_INVALID',
  },
  {
    name: 'checkClientPeer() refuses a URI that is no SPIFFE ID',
    uris: ['https://example.com'],
    expected: [web],
    outcome: 'PEER_CERTIFICATE_INVALID',
  },
])('$name', ({ uris, expected, outcome }) => expect(brief(checkClientPeer(uris, expected))).toBe(outcome))

test.each([
  { name: 'checkServerPeer() accepts any workload of our trust domain', uris: [api], outcome: api },
  {
    name: 'checkServerPeer() refuses another trust domain',
    uris: [foreign],
    outcome: 'TRUST_DOMAIN_MISMATCH',
  },
  {
    name: 'checkServerPeer() refuses two URI SANs',
    uris: [web, foreign],
    outcome: 'PEER_CERTIFICATE_INVALID',
  },
  {
    name: 'checkServerPeer() refuses a certificate without URI SAN',
    uris: [],
    outcome: 'PEER_CERTIFICATE_INVALID',
  },
])('$name', ({ uris, outcome }) => expect(brief(checkServerPeer(uris, local))).toBe(outcome))

test('checkClientPeer() says who was expected and who came', () => {
  expect(checkClientPeer([api], [web])).toEqual({
    kind: 'refused',
    code: 'PEER_IDENTITY_MISMATCH',
    reason: 'expected spiffe://cluster.local/ns/shop/sa/web, peer is spiffe://cluster.local/ns/shop/sa/api',
  })
})

test('checkServerPeer() bounds what a hostile certificate can put into a log line', () => {
  const check = checkServerPeer(
    Array.from({ length: 1000 }, () => `spiffe://${'x'.repeat(5000)}`),
    local,
  )
  expect(check.kind === 'refused' && check.reason.length).toBeLessThan(1200)
})

function brief(check: ReturnType<typeof checkClientPeer>): string {
  return check.kind === 'accepted' ? check.id : check.code
}
