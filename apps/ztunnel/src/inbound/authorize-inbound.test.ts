import { defineWorkload } from '@ambient/model'
import type { AuthorizationPolicy } from '@ambient/policy'
import { parseSpiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { authorizeInbound, authorizePlaintext } from './authorize-inbound.ts'

const local = defineWorkload({
  uid: 'Kubernetes//Pod/shop/web',
  name: 'web',
  namespace: 'shop',
  authorizationPolicies: [],
})
const strict: AuthorizationPolicy = {
  name: 'strict',
  namespace: 'istio-system',
  scope: 'workload-selector',
  action: 'deny',
  dryRun: false,
  rules: [[[{ notPrincipals: [{ kind: 'presence' }] }]]],
}
const underStrict = { ...local, authorizationPolicies: ['istio-system/strict'] }
const fromClient = {
  sourceIdentity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/client'),
  sourceIp: '10.0.0.1',
  destinationIp: '10.0.0.2',
  destinationPort: 8080,
}
const inTheClear = { peerIp: '10.0.0.1', destination: { ip: '10.0.0.2', port: 8080 } }

function mesh(...upserts: readonly AuthorizationPolicy[]): MeshSnapshot {
  const snapshot = new MeshSnapshot()
  snapshot.apply({ addresses: { upserts: [], removed: [] }, policies: { upserts, removed: [] } })
  return snapshot
}

test('authorizeInbound() lets an identity in where plaintext is refused', () => {
  expect(authorizeInbound(mesh(strict), underStrict, fromClient)).toMatchObject({ verdict: 'allow' })
  expect(authorizePlaintext(mesh(strict), underStrict, inTheClear)).toMatchObject({
    kind: 'decided',
    decision: { verdict: 'deny', because: { kind: 'policy', policy: 'istio-system/strict' } },
  })
})

test('authorizeInbound() closes a workload whose policy has not arrived', () => {
  expect(authorizeInbound(mesh(), underStrict, fromClient)).toMatchObject({
    verdict: 'deny',
    because: { kind: 'policy-unknown', policy: 'istio-system/strict' },
  })
})

test('authorizePlaintext() lets plaintext in without policies', () => {
  expect(authorizePlaintext(mesh(strict), local, inTheClear)).toMatchObject({
    kind: 'decided',
    decision: { verdict: 'allow' },
  })
})

test.each([15001, 15006, 15008])(
  'authorizePlaintext() refuses port %i before any policy is asked',
  (port) => {
    const attempt = { peerIp: '10.0.0.1', destination: { ip: '10.0.0.2', port } }
    expect(authorizePlaintext(mesh(), local, attempt)).toMatchObject({ kind: 'reject', reason: 'SELF_CALL' })
  },
)
