import { systemClock } from '@ambient/lifecycle'
import { expect, test } from 'vitest'
import { TokenReviewer } from './token-reviewer.ts'

const ZTUNNEL = {
  authenticated: true,
  user: {
    username: 'system:serviceaccount:istio-system:ztunnel',
    groups: ['system:serviceaccounts', 'system:authenticated'],
    extra: {
      'authentication.kubernetes.io/pod-name': ['ztunnel-a'],
      'authentication.kubernetes.io/pod-uid': ['u1'],
      'authentication.kubernetes.io/node-name': ['node-a'],
    },
  },
}

function reviewer(answer: () => Promise<Readonly<Record<string, unknown>>>) {
  const asked: unknown[] = []
  let nowMs = 0
  const tokens = new TokenReviewer({
    api: {
      create: (path, body) => {
        asked.push({ path, body })
        return answer()
      },
    },
    audiences: ['istio-ca'],
    trustDomain: 'cluster.local',
    clock: { ...systemClock, monotonicMs: () => nowMs },
  })
  return { tokens, asked, pass: (ms: number) => (nowMs += ms) }
}

test('verify() asks the API server once for calls that come together, and again after ten seconds', async () => {
  const { tokens, asked, pass } = reviewer(() => Promise.resolve({ status: ZTUNNEL }))
  const callers = await Promise.all([tokens.verify('Bearer t'), tokens.verify('Bearer t')])
  expect(callers[0]).toEqual({
    id: 'spiffe://cluster.local/ns/istio-system/sa/ztunnel',
    namespace: 'istio-system',
    serviceAccount: 'ztunnel',
    pod: { name: 'ztunnel-a', uid: 'u1' },
    node: 'node-a',
  })
  expect(asked).toEqual([
    {
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: 't', audiences: ['istio-ca'] },
      },
    },
  ])
  pass(9_999)
  await tokens.verify('Bearer t')
  expect(asked).toHaveLength(1)
  pass(2)
  await tokens.verify('Bearer t')
  expect(asked).toHaveLength(2)
  await tokens.verify('Bearer other')
  expect(asked).toHaveLength(3)
})

test.each([
  { name: 'no token', header: undefined, status: ZTUNNEL, code: 'TOKEN_MISSING', says: 'no bearer token' },
  {
    name: 'a token that is not known',
    header: 'Bearer t',
    status: { authenticated: false, error: 'pod is gone' },
    code: 'TOKEN_INVALID',
    says: 'does not know this token: pod is gone',
  },
  {
    name: 'a user that is no service account',
    header: 'Bearer t',
    status: { authenticated: true, user: { username: 'admin', groups: ['system:serviceaccounts'] } },
    code: 'TOKEN_INVALID',
    says: 'admin is no service account',
  },
  {
    name: 'a service account outside its group',
    header: 'Bearer t',
    status: { ...ZTUNNEL, user: { ...ZTUNNEL.user, groups: [] } },
    code: 'TOKEN_INVALID',
    says: 'is no service account',
  },
])('verify() refuses $name, and remembers nothing of it', async ({ header, status, code, says }) => {
  const { tokens, asked } = reviewer(() => Promise.resolve({ status }))
  const refused = tokens.verify(header)
  await expect(refused).rejects.toMatchObject({ code })
  await expect(refused).rejects.toThrow(says)
  await tokens.verify(header).catch(() => {})
  expect(asked).toHaveLength(header === undefined ? 0 : 2)
})

test('verify() refuses while the API server cannot be asked, and says why in the log', async () => {
  const { tokens } = reviewer(() => Promise.reject(new Error('connection refused')))
  await expect(tokens.verify('Bearer t')).rejects.toMatchObject({
    code: 'TOKEN_INVALID',
    message: 'Cannot authenticate: connection refused',
  })
})
