import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@ambient/lifecycle'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TokenVerifier } from './token-verifier.ts'

const directory = mkdtempSync(join(tmpdir(), 'istiod-tokens-'))
const jwksFile = join(directory, 'jwks.json')
const keys = await generateKeyPair('ES256')
const foreign = await generateKeyPair('ES256')
let verifier: TokenVerifier

const claims = {
  'kubernetes.io': {
    namespace: 'istio-system',
    serviceaccount: { name: 'ztunnel', uid: 'sa-uid' },
    pod: { name: 'zt-a', uid: 'pod-uid' },
    node: { name: 'node-a', uid: 'node-uid' },
  },
}
const good = {
  iss: 'https://kubernetes.default.svc',
  sub: 'system:serviceaccount:istio-system:ztunnel',
  aud: ['istio-ca'],
  exp: '1h',
  payload: claims,
  key: keys.privateKey,
}

function sign(change: Partial<Record<keyof typeof good, unknown>>): Promise<string> {
  const { iss, sub, aud, exp, payload, key } = { ...good, ...change } as typeof good
  const token = new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'one' })
  if (exp !== undefined) token.setExpirationTime(exp)
  return token.setIssuer(iss).setSubject(sub).setAudience(aud).sign(key)
}

beforeAll(async () => {
  writeFileSync(
    jwksFile,
    JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256' }] }),
  )
  verifier = TokenVerifier.open({
    jwksFile,
    audiences: ['istio-ca'],
    issuers: ['https://kubernetes.default.svc'],
    trustDomain: 'cluster.local',
    clock: systemClock,
  })
})
afterAll(() => rmSync(directory, { recursive: true }))

test('verify() says who called, with pod and node', async () => {
  await expect(verifier.verify(`Bearer ${await sign({})}`)).resolves.toEqual({
    id: 'spiffe://cluster.local/ns/istio-system/sa/ztunnel',
    namespace: 'istio-system',
    serviceAccount: 'ztunnel',
    pod: { name: 'zt-a', uid: 'pod-uid' },
    node: 'node-a',
  })
})

const inKubernetes = (change: object): object => ({
  'kubernetes.io': { ...claims['kubernetes.io'], ...change },
})

test.each([
  { name: 'an expired token', change: { exp: '-10s' }, message: '"exp" claim timestamp check failed' },
  { name: 'a token that never expires', change: { exp: undefined }, message: 'missing required "exp" claim' },
  { name: 'another issuer', change: { iss: 'https://evil' }, message: 'unexpected "iss" claim value' },
  { name: 'another audience', change: { aud: ['kubernetes'] }, message: 'unexpected "aud" claim value' },
  {
    name: 'a token signed by another key',
    change: { key: foreign.privateKey },
    message: 'signature verification failed',
  },
  { name: 'a user’s token', change: { sub: 'admin' }, message: 'the claim sub is not that of a pod’s' },
  {
    name: 'a subject with too many parts',
    change: { sub: 'system:serviceaccount:a:b:c' },
    message: 'the claim sub',
  },
  {
    name: 'a token without Kubernetes claims',
    change: { payload: {} },
    message: 'the claim kubernetes.io is not',
  },
  {
    name: 'claims of another namespace',
    change: { payload: inKubernetes({ namespace: 'x' }) },
    message: 'kubernetes.io.namespace',
  },
  {
    name: 'claims of another account',
    change: { payload: inKubernetes({ serviceaccount: { name: 'x' } }) },
    message: 'serviceaccount.name',
  },
  {
    name: 'a token that is bound to no pod',
    change: { payload: inKubernetes({ pod: undefined }) },
    message: 'kubernetes.io.pod.name must be set',
  },
])('verify() refuses $name', async ({ change, message }) => {
  const refused = verifier.verify(`Bearer ${await sign(change)}`)
  await expect(refused).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
  await expect(refused).rejects.toThrow(message.replace('’', "'"))
})

test.each([
  { name: 'no header', header: undefined, code: 'TOKEN_MISSING' },
  { name: 'another scheme', header: 'Basic abc', code: 'TOKEN_MISSING' },
  { name: 'nonsense', header: 'Bearer a.b.c', code: 'TOKEN_INVALID' },
  { name: 'a token of a megabyte', header: `Bearer ${'a'.repeat(1 << 20)}`, code: 'TOKEN_INVALID' },
  {
    name: 'an unsigned token',
    header: `Bearer ${btoa('{"alg":"none"}')}.${btoa('{"sub":"x"}')}.`,
    code: 'TOKEN_INVALID',
  },
])('verify() refuses $name', async ({ header, code }) => {
  await expect(verifier.verify(header)).rejects.toMatchObject({ code })
})

test('verify() takes the keys of a changed file, and keeps the old ones of a broken one', async () => {
  const file = join(directory, 'rotating.json')
  const jwk = async (pair: typeof keys): Promise<string> =>
    JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256' }] })
  writeFileSync(file, await jwk(foreign))
  const rotating = TokenVerifier.open({
    jwksFile: file,
    audiences: ['istio-ca'],
    issuers: [],
    trustDomain: 'cluster.local',
    clock: systemClock,
  })
  const header = `Bearer ${await sign({})}`
  await expect(rotating.verify(header)).rejects.toThrow('signature verification failed')
  writeFileSync(file, `${await jwk(keys)}\n`)
  await expect(rotating.verify(header)).resolves.toMatchObject({ namespace: 'istio-system' })
  writeFileSync(file, '{')
  await expect(rotating.verify(header)).resolves.toMatchObject({ namespace: 'istio-system' })
})
