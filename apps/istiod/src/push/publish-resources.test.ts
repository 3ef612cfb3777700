import { setImmediate } from 'node:timers/promises'
import { objectKey, objectsFromYaml } from '@ambient/kube'
import { expect, test } from 'vitest'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { type MeshState, meshState } from '../translate/mesh-state.ts'
import { publishResources } from './publish-resources.ts'

const pod =
  '{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, status: {phase: Running, podIP: 10.0.0.1}}'
const policy =
  '{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, namespace: shop}, spec: {selector: {matchLabels: {app: web}}}}'

function change(state: MeshState, how: 'set' | 'delete', ...texts: readonly string[]): void {
  state.graph.transaction(() => {
    for (const object of objectsFromYaml(texts.join('\n---\n')))
      state.inputs.get(object.kind)?.[how](objectKey(object.metadata), object)
  })
}

test('publishResources() sends a policy before the workload that names it and takes it away after', async () => {
  const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
  const { addresses, policies, views } = publishResources(state)
  const order: string[] = []
  for (const view of views) {
    view.onChange((names) =>
      order.push(...[...names].map((name) => `${view.get(name) === undefined ? 'removed' : 'sent'} ${name}`)),
    )
  }
  change(state, 'set', pod, policy)
  expect(order).toEqual(['sent shop/p', 'sent Kubernetes//Pod/shop/web'])
  order.length = 0
  change(state, 'delete', policy)
  await setImmediate()
  expect(order).toEqual(['sent Kubernetes//Pod/shop/web', 'removed shop/p'])
  expect([addresses.size, policies.size]).toEqual([1, 0])
})

test('publishResources() keeps a policy that comes back at once, and gives equal content equal versions', async () => {
  const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
  const { policies } = publishResources(state)
  change(state, 'set', policy)
  const before = policies.get('shop/p')?.version
  change(state, 'delete', policy)
  change(state, 'set', policy)
  await setImmediate()
  expect(policies.get('shop/p')?.version).toBe(before)
  expect(before).not.toBeUndefined()
})
