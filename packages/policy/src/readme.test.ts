import { parseSpiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import { type AuthorizationPolicy, compilePolicies } from './index.ts'

test('the README’s example runs', () => {
  const allowWeb: AuthorizationPolicy = {
    name: 'allow-web',
    namespace: 'shop',
    scope: 'namespace',
    action: 'allow',
    dryRun: false,
    rules: [[[{ principals: [{ kind: 'exact', value: 'cluster.local/ns/shop/sa/web' }] }]]],
  }
  const policies = compilePolicies([allowWeb])

  const decision = policies.decide({
    sourceIdentity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web'),
    sourceIp: '10.1.0.7',
    destinationIp: '10.1.0.9',
    destinationPort: 8080,
  })

  expect(decision).toEqual({
    verdict: 'allow',
    because: { kind: 'policy', policy: 'shop/allow-web' },
    dryRun: [],
  })
})
