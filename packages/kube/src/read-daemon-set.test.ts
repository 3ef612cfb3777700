import { describe, expect, test } from 'vitest'
import { readDaemonSet, selectsNode } from './read-daemon-set.ts'
import { objectsFromYaml } from './yaml-text.ts'

function daemonSet(podSpec: string, metadata = ''): ReturnType<typeof readDaemonSet> {
  const text = `{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a, namespace: b${metadata}}, spec: {template: {spec: ${podSpec}}}}`
  return readDaemonSet(objectsFromYaml(text)[0] ?? expect.fail('one object'))
}
const node = { name: 'n1', labels: { 'kubernetes.io/os': 'linux', pool: 'big', cores: '8' } }
const required = (terms: string): string =>
  `{affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: ${terms}}}}}`
const term = (requirement: string): string => required(`[{matchExpressions: [${requirement}]}]`)

test('readDaemonSet() tells whether it is being deleted', () => {
  expect(daemonSet('{}').isDeleted).toBe(false)
  expect(daemonSet('{}', ', deletionTimestamp: "2026-01-01T00:00:00Z"').isDeleted).toBe(true)
})

describe('selectsNode()', () => {
  test.each([
    { spec: '{}', expected: true },
    { spec: '{nodeSelector: {kubernetes.io/os: linux}}', expected: true },
    { spec: '{nodeSelector: {kubernetes.io/os: linux, pool: small}}', expected: false },
    { spec: term('{key: pool, operator: In, values: [small, big]}'), expected: true },
    { spec: term('{key: pool, operator: In, values: [small]}'), expected: false },
    { spec: term('{key: pool, operator: NotIn, values: [big]}'), expected: false },
    { spec: term('{key: gpu, operator: NotIn, values: [a]}'), expected: true },
    { spec: term('{key: pool, operator: Exists}'), expected: true },
    { spec: term('{key: gpu, operator: Exists}'), expected: false },
    { spec: term('{key: pool, operator: DoesNotExist}'), expected: false },
    { spec: term('{key: cores, operator: Gt, values: ["4"]}'), expected: true },
    { spec: term('{key: cores, operator: Lt, values: ["4"]}'), expected: false },
    { spec: term('{key: gpu, operator: Gt, values: ["0"]}'), expected: false },
    { spec: required('[{matchFields: [{key: metadata.name, operator: In, values: [n1]}]}]'), expected: true },
    {
      spec: required('[{matchFields: [{key: metadata.name, operator: NotIn, values: [n1]}]}]'),
      expected: false,
    },
    { spec: required('[]'), expected: false },
    { spec: required('[{}]'), expected: false },
    {
      spec: required('[{}, {matchExpressions: [{key: pool, operator: Exists}]}]'),
      expected: true,
    },
  ])('is $expected for $spec', ({ spec, expected }) => {
    expect(selectsNode(daemonSet(spec), node)).toBe(expected)
  })
})

test.each([
  { spec: term('{key: a, operator: Near}'), says: 'must be one of In, NotIn' },
  { spec: required('[{matchFields: [{key: spec.x, operator: Exists}]}]'), says: 'must be metadata.name' },
])('readDaemonSet() refuses $spec', ({ spec, says }) => {
  expect(() => daemonSet(spec)).toThrow(says)
})
