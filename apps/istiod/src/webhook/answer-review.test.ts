import { objectsFromYaml, type UnknownRecord } from '@ambient/kube'
import { expect, test } from 'vitest'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { decideReview, readReview, reviewAnswer } from './answer-review.ts'

const RESOURCE = { group: 'security.istio.io', version: 'v1', resource: 'authorizationpolicies' }

interface Asked {
  readonly operation?: string
  readonly before?: string
}

/** What the API server gets for an object. */
function answerTo(yaml: string, { operation = 'CREATE', before }: Asked = {}): UnknownRecord {
  const [object] = objectsFromYaml(yaml)
  const review = readReview({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u1',
      operation,
      resource: RESOURCE,
      object,
      oldObject: before === undefined ? null : objectsFromYaml(before)[0],
    },
  })
  const answer = reviewAnswer(review, decideReview(review, DEFAULT_MESH)) as { response: UnknownRecord }
  return answer.response
}

const policy = (spec: string, meta = ''): string =>
  `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, namespace: shop${meta}}, spec: ${spec}}`

const GOOD = policy('{rules: [{from: [{source: {namespaces: [bank]}}]}]}')
const BAD = policy('{rules: [{from: [{source: {namespace: bank}}]}]}')

test.each([
  { name: 'a policy that can be used', yaml: GOOD },
  {
    name: 'a kind that the mesh does not judge',
    yaml: '{apiVersion: v1, kind: Namespace, metadata: {name: shop}}',
  },
  {
    name: 'another control plane’s policy',
    yaml: BAD.replace('shop', 'shop, labels: {istio.io/rev: other}'),
  },
  {
    name: 'one that is being deleted, so that it can lose its finalizers',
    yaml: BAD.replace('shop', "shop, deletionTimestamp: '2026-01-01T00:00:00Z'"),
    asked: { operation: 'UPDATE', before: GOOD },
  },
  { name: 'a deletion', yaml: BAD, asked: { operation: 'DELETE' } },
])('decideReview() lets $name pass without a word', ({ yaml, asked }) => {
  expect(answerTo(yaml, asked)).toEqual({ uid: 'u1', allowed: true })
})

test.each([
  {
    name: 'a field that no policy has',
    yaml: BAD,
    says: 'Cannot read AuthorizationPolicy shop/p: spec.rules[0].from[0].source.namespace is none of',
  },
  {
    name: 'an action that nobody knows',
    yaml: policy('{action: MAYBE}'),
    says: 'spec.action must be ALLOW, DENY, AUDIT or CUSTOM',
  },
  {
    name: 'a mode that nobody knows',
    yaml: '{apiVersion: security.istio.io/v1beta1, kind: PeerAuthentication, metadata: {name: p, namespace: shop}, spec: {mtls: {mode: SOMETIMES}}}',
    says: 'spec.mtls.mode must be STRICT, PERMISSIVE, DISABLE or UNSET',
  },
  {
    name: 'a ServiceEntry without hosts',
    yaml: '{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: p, namespace: shop}, spec: {ports: [{number: 80, name: http}]}}',
    says: 'Cannot read ServiceEntry shop/p: spec.hosts',
  },
  {
    name: 'a WorkloadEntry without address',
    yaml: '{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: p, namespace: shop}, spec: {serviceAccount: vm}}',
    says: 'Cannot read WorkloadEntry shop/p: spec.address',
  },
])('decideReview() refuses $name, in the words of the status', ({ yaml, says }) => {
  const { allowed, status } = answerTo(yaml)
  expect(allowed).toBe(false)
  expect(status).toMatchObject({
    code: 422,
    reason: 'Invalid',
    message: expect.stringContaining(says) as string,
  })
})

test('decideReview() refuses a change into something invalid, and takes labels of what was invalid before', () => {
  expect(answerTo(BAD, { operation: 'UPDATE', before: GOOD })['allowed']).toBe(false)
  const labelled = BAD.replace('shop', 'shop, labels: {team: a}')
  const { allowed, warnings } = answerTo(labelled, { operation: 'UPDATE', before: BAD })
  expect(allowed).toBe(true)
  expect(warnings).toEqual([expect.stringContaining('source.namespace is none of')])
})

test.each([
  {
    name: 'what node proxies cannot enforce',
    yaml: policy("{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ['80']}}]}]}"),
    says: 'ztunnel sees no HTTP. rules[0] has methods: the rule is enforced without it and denies more than it says',
  },
  {
    name: 'a field without effect',
    yaml: '{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: e, namespace: shop}, spec: {hosts: [a.test], exportTo: [.], ports: [{number: 80, name: http}]}}',
    says: 'spec.exportTo has no effect',
  },
])('decideReview() lets $name pass and tells who wrote it', ({ yaml, says }) => {
  const { allowed, warnings } = answerTo(yaml)
  expect(allowed).toBe(true)
  expect(warnings).toEqual([expect.stringContaining(says)])
})

test('reviewAnswer() keeps warnings within what the API server passes on', () => {
  const { warnings } = (
    reviewAnswer(
      { ...RESOURCE, uid: 'u', object: undefined, before: undefined },
      { problem: undefined, warnings: Array.from({ length: 40 }, () => 'x'.repeat(1000)) },
    ) as { response: { warnings: readonly string[] } }
  ).response
  expect(warnings).toHaveLength(16)
  expect(warnings[0]).toHaveLength(256)
})

test.each([
  { name: 'another version', value: { apiVersion: 'admission.k8s.io/v1beta1', kind: 'AdmissionReview' } },
  { name: 'another kind', value: { apiVersion: 'admission.k8s.io/v1', kind: 'Pod' } },
  { name: 'no request', value: { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' } },
])('readReview() refuses $name', ({ value }) => {
  expect(() => readReview(value)).toThrow('Cannot read AdmissionReview')
})

test('an object whose name is yet to be made up is judged as well', () => {
  const object = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { generateName: 'p-', namespace: 'shop' },
    spec: { action: 'MAYBE' },
  }
  const review = { ...RESOURCE, uid: 'u', object, before: undefined }
  expect(decideReview(review, DEFAULT_MESH).problem).toContain('AuthorizationPolicy shop/p-: spec.action')
})
