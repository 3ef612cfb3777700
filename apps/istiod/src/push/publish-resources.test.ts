import { objectKey, objectsFromYaml } from '@ambient/kube'
import { AUTHORIZATION_TYPE, type ResourceView } from '@ambient/xds'
import { expect, test } from 'vitest'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { type MeshState, meshState } from '../translate/mesh-state.ts'
import { publishResources } from './publish-resources.ts'

interface PodPlace {
  readonly namespace?: string
  readonly app?: string
  readonly node?: string
  readonly isOnHost?: boolean
}

function pod(
  name: string,
  { namespace = 'shop', app = name, node = 'a', isOnHost = false }: PodPlace = {},
): string {
  return `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: ${namespace}, labels: {app: ${app}}},
    spec: {nodeName: ${node}, hostNetwork: ${isOnHost}}, status: {phase: Running, podIP: 10.0.0.1}}`
}

function policy(name: string, namespace: string, app?: string): string {
  const selector = app === undefined ? '' : `selector: {matchLabels: {app: ${app}}}`
  return `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: ${name}, namespace: ${namespace}}, spec: {${selector}}}`
}

let version = 0

function change(state: MeshState, how: 'set' | 'delete', ...texts: readonly string[]): void {
  state.graph.transaction(() => {
    for (const object of objectsFromYaml(texts.join('\n---\n'))) {
      const metadata = { ...object.metadata, resourceVersion: `${++version}` }
      state.inputs.get(object.kind)?.[how](objectKey(metadata), { ...object, metadata })
    }
  })
}

function setup(...texts: readonly string[]) {
  const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
  const published = publishResources(state)
  change(state, 'set', ...texts)
  const policiesOf = (node: string | undefined): ResourceView => {
    const view = published.viewsFor(node).find(({ typeUrl }) => typeUrl === AUTHORIZATION_TYPE)
    return view ?? expect.fail('a view of policies')
  }
  return { state, published, policiesOf }
}

test('publishResources() gives equal content equal versions, also to a policy that was away', () => {
  const { state, published } = setup(policy('p', 'shop'))
  const before = published.policies.get('shop/p')?.version
  change(state, 'delete', policy('p', 'shop'))
  expect(published.policies.size).toBe(0)
  change(state, 'set', policy('p', 'shop'))
  expect(published.policies.get('shop/p')?.version).toBe(before)
  expect(before).not.toBeUndefined()
})

const MESH = [
  ...['a', 'b', 'c'].map((node) => pod(`agent-${node}`, { namespace: 'kube-system', node, isOnHost: true })),
  pod('web', { node: 'a' }),
  pod('db', { node: 'b' }),
  pod('job', { node: 'b', namespace: 'batch' }),
  policy('everywhere', 'istio-system'),
  policy('web-everywhere', 'istio-system', 'web'),
  policy('hosts', 'kube-system'),
  policy('shop', 'shop'),
  policy('db', 'shop', 'db'),
  policy('batch', 'batch'),
  policy('nobody', 'shop', 'nobody'),
]

test.each([
  { node: 'a', expected: ['istio-system/everywhere', 'istio-system/web-everywhere', 'shop/shop'] },
  { node: 'b', expected: ['batch/batch', 'istio-system/everywhere', 'shop/db', 'shop/shop'] },
  { node: 'c', expected: [] }, // pods on the host's network only: no node proxy enforces for them
  { node: 'unknown', expected: [] },
  { node: undefined, expected: [] },
])('viewsFor() has of eight policies those that can apply on node $node', ({ node, expected }) => {
  const { published, policiesOf } = setup(...MESH)
  const view = policiesOf(node)
  expect([...view.names()].toSorted()).toEqual(expected)
  expect(view.size).toBe(expected.length)
  const given = [...published.policies.names()].filter((name) => view.get(name) !== undefined)
  expect(given.toSorted()).toEqual(expected)
})

test('viewsFor() tells of a policy when it comes to the node, changes there and leaves it, and of no other', () => {
  const { state, policiesOf } = setup(...MESH)
  const told: string[] = []
  const view = policiesOf('a')
  const leave = view.onChange((names) => {
    for (const name of [...names].toSorted())
      told.push(`${view.get(name) === undefined ? 'gone' : 'here'} ${name}`)
  })
  const after = (how: 'set' | 'delete', ...texts: readonly string[]): readonly string[] => {
    told.length = 0
    change(state, how, ...texts)
    return [...told]
  }
  expect(after('set', pod('job2', { node: 'a', namespace: 'batch', app: 'job' }))).toEqual([
    'here batch/batch',
  ])
  expect(after('set', pod('job3', { node: 'a', namespace: 'batch', app: 'job' }))).toEqual([])
  expect(after('set', policy('late', 'shop', 'web'))).toEqual(['here shop/late'])
  expect(after('set', policy('late', 'shop', 'db'))).toEqual(['gone shop/late'])
  expect(after('set', policy('db', 'shop', 'db').replace('spec: {', 'spec: {action: DENY, '))).toEqual([])
  expect(after('set', policy('shop', 'shop').replace('spec: {', 'spec: {action: DENY, '))).toEqual([
    'here shop/shop',
  ])
  expect(after('delete', pod('job2', { namespace: 'batch' }))).toEqual([])
  expect(after('delete', pod('job3', { namespace: 'batch' }))).toEqual(['gone batch/batch'])
  expect(after('delete', pod('web'))).toEqual([
    'gone istio-system/everywhere',
    'gone istio-system/web-everywhere',
    'gone shop/shop',
  ])
  leave()
  expect(after('set', pod('web'))).toEqual([])
})
