import { systemClock } from '@ambient/lifecycle'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { TOKEN_ISSUER, TokenIssuer } from './token-issuer.ts'

const subject = {
  namespace: 'istio-system',
  serviceAccount: 'ztunnel',
  pod: { name: 'ztunnel-node1', uid: 'pod-uid' },
  nodeName: 'node1',
}

test('issue() makes tokens that its key set verifies, bound to pod and node', async () => {
  const issuer = await TokenIssuer.create(systemClock)
  const token = await issuer.issue(subject, { audience: 'istio-ca', expirationSeconds: 600 })
  const { payload } = await jwtVerify(token, createLocalJWKSet(issuer.jwks), {
    issuer: TOKEN_ISSUER,
    audience: 'istio-ca',
  })
  expect(payload).toMatchObject({
    sub: 'system:serviceaccount:istio-system:ztunnel',
    'kubernetes.io': {
      namespace: 'istio-system',
      node: { name: 'node1' },
      pod: { name: 'ztunnel-node1', uid: 'pod-uid' },
      serviceaccount: { name: 'ztunnel' },
    },
  })
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(600)
  expect(JSON.stringify(issuer.jwks)).not.toContain('"d"')
})

test('issue() makes tokens that another lab refuses', async () => {
  const [issuer, other] = [await TokenIssuer.create(systemClock), await TokenIssuer.create(systemClock)]
  const token = await issuer.issue(subject, { audience: 'istio-ca', expirationSeconds: 600 })
  await expect(jwtVerify(token, createLocalJWKSet(other.jwks))).rejects.toThrow(
    'signature verification failed',
  )
})
