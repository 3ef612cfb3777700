import { defineWorkload } from '@ambient/model'
import type { AuthorizationPolicy } from '@ambient/policy'
import { parseSpiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import { MeshSnapshot } from '../state/mesh-snapshot.ts'
import { authorizeInbound } from './authorize-inbound.ts'

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
const inTheClear = { ...fromClient, sourceIdentity: undefined }

function mesh(...upserts: readonly AuthorizationPolicy[]): MeshSnapshot {
  const snapshot = new MeshSnapshot()
  snapshot.apply({ addresses: { upserts: [], removed: [] }, policies: { upserts, removed: [] } })
  return snapshot
}

test('authorizeInbound() lets an identity in where plaintext is refused', () => {
  expect(authorizeInbound(mesh(strict), underStrict, fromClient)).toMatchObject({ verdict: 'allow' })
  expect(authorizeInbound(mesh(strict), underStrict, inTheClear)).toMatchObject({
    verdict: 'deny',
    because: { kind: 'policy', policy: 'istio-system/strict' },
  })
})

test('authorizeInbound() closes a workload whose policy has not arrived', () => {
  expect(authorizeInbound(mesh(), underStrict, fromClient)).toMatchObject({
    verdict: 'deny',
    because: { kind: 'policy-unknown', policy: 'istio-system/strict' },
  })
})

test('authorizeInbound() lets plaintext in without policies', () => {
  expect(authorizeInbound(mesh(strict), local, inTheClear)).toMatchObject({ verdict: 'allow' })
})
