import { objectKey, objectsFromYaml } from '@ambient/kube'
import { expect, test } from 'vitest'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { meshState } from '../translate/mesh-state.ts'
import { MeshCounts } from './mesh-counts.ts'

function mesh() {
  const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
  let missing = 0
  let version = 0
  const counts = new MeshCounts(state, () => missing++)
  const change = (how: 'set' | 'delete', text: string): void =>
    state.graph.transaction(() => {
      for (const object of objectsFromYaml(text)) {
        const input = state.inputs.get(object.kind)
        const metadata = { ...object.metadata, resourceVersion: `${++version}` }
        if (how === 'set') input?.set(objectKey(metadata), { ...object, metadata })
        else input?.delete(objectKey(object.metadata))
      }
    })
  const numbers = () => ({
    podsWithoutAddress: counts.podsWithoutAddress,
    servicesWithoutEndpoints: counts.servicesWithoutEndpoints,
    missing,
  })
  return {
    put: (text: string) => change('set', text),
    remove: (text: string) => change('delete', text),
    numbers,
  }
}

const pod = (name: string, status: string): string =>
  `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: shop, uid: u-${name}, labels: {app: web}}, status: {${status}}}`
const SERVICE =
  '{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80}]}}'

test('MeshCounts counts pods that are not over and have no address', () => {
  const { put, remove, numbers } = mesh()
  put([pod('a', 'phase: Pending'), pod('b', 'phase: Succeeded'), pod('c', 'podIP: 10.0.0.3')].join('\n---\n'))
  expect(numbers().podsWithoutAddress).toBe(1)
  put(pod('d', 'phase: Running'))
  expect(numbers().podsWithoutAddress).toBe(2)
  put(pod('a', 'phase: Running, podIP: 10.0.0.1'))
  expect(numbers().podsWithoutAddress).toBe(1)
  remove(pod('d', ''))
  expect(numbers().podsWithoutAddress).toBe(0)
})

test('MeshCounts counts services that nothing is behind, as their members come and go', () => {
  const { put, remove, numbers } = mesh()
  put(SERVICE)
  put(
    '{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: as-dialled, namespace: shop}, spec: {hosts: [a.example], resolution: NONE, ports: [{number: 80, name: http}]}}',
  )
  expect(numbers().servicesWithoutEndpoints).toBe(1)
  put([pod('a', 'podIP: 10.0.0.1'), pod('b', 'podIP: 10.0.0.2')].join('\n---\n'))
  expect(numbers().servicesWithoutEndpoints).toBe(0)
  put(pod('a', 'podIP: 10.0.0.9')) // changed, and still one of two
  remove(pod('b', ''))
  expect(numbers().servicesWithoutEndpoints).toBe(0)
  remove(pod('a', ''))
  expect(numbers().servicesWithoutEndpoints).toBe(1)
  remove(SERVICE)
  expect(numbers().servicesWithoutEndpoints).toBe(0)
})

test('MeshCounts tells of endpoints that name a pod which is not there, once each', () => {
  const { put, numbers } = mesh()
  const slice = (...refs: readonly string[]): string =>
    `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, ports: [{port: 80}], endpoints: [${refs
      .map((ref) => `{addresses: [10.0.0.1], targetRef: {kind: Pod, ${ref}}}`)
      .join(', ')}]}`
  // All at once: the pod of a slice may come after it in the same transaction.
  put([slice('name: a, uid: u-a', 'name: gone'), pod('a', 'podIP: 10.0.0.1')].join('\n---\n'))
  expect(numbers().missing).toBe(1)
  put(slice('name: a, uid: u-a', 'name: gone', 'name: gone-too'))
  expect(numbers().missing).toBe(2)
  put([slice(), pod('b', 'podIP: 10.0.0.2')].join('\n---\n'))
  put(slice('name: b, uid: an-older-one'))
  expect(numbers().missing).toBe(3)
})
