import { X509Certificate } from 'node:crypto'
import { spiffeId } from '@ambient/spiffe'
import { testCa } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { AuthError, type Caller } from './caller.ts'
import { CallerVerifier } from './caller-verifier.ts'

const ca = await testCa()
const web = 'spiffe://cluster.local/ns/shop/sa/web'
const ofToken: Caller = {
  id: spiffeId({ trustDomain: 'cluster.local', namespace: 'istio-system', serviceAccount: 'ztunnel' }),
  namespace: 'istio-system',
  serviceAccount: 'ztunnel',
  pod: { name: 'zt', uid: 'u' },
  node: 'n',
}
const verifier = new CallerVerifier(
  {
    verify: (header) =>
      header === 'Bearer good'
        ? Promise.resolve(ofToken)
        : Promise.reject(new AuthError('TOKEN_INVALID', 'bad token')),
  },
  'cluster.local',
)

test.each([
  { name: 'a certificate', uris: [web], expected: web },
  { name: 'a certificate before a token', uris: [web], authorization: 'Bearer good', expected: web },
  { name: 'a token', authorization: 'Bearer good', expected: ofToken.id },
  ...[
    { name: 'a certificate of another trust domain', uris: ['spiffe://other/ns/shop/sa/web'] },
    { name: 'a certificate with two identities', uris: [web, `${web}2`] },
    { name: 'a certificate without one', uris: [] },
  ].flatMap((one) => [
    { ...one, authorization: 'Bearer good', expected: ofToken.id },
    { ...one, expected: 'TOKEN_INVALID' },
  ]),
])('CallerVerifier knows by $name: $expected', async ({ uris, authorization, expected }) => {
  const issued = uris === undefined ? undefined : await ca.issue({ uris })
  const certificate = issued && new X509Certificate(issued.certificateChainPem).raw
  const outcome = await verifier.verify({ certificate, authorization }).then(
    ({ id, pod }) => {
      if (id === web) expect(pod).toBeUndefined()
      return id
    },
    (cause: unknown) => (cause instanceof AuthError ? cause.code : String(cause)),
  )
  expect(outcome).toBe(expected)
})
