import { type KindName, type KubeObject, objectsFromYaml } from '@ambient/kube'
import { expect, test } from 'vitest'
import { observeDaemonSet } from './observe-daemon-set.ts'

const SET =
  '{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: istio-cni-node, namespace: istio-system}, spec: {template: {spec: {nodeSelector: {pool: mesh}}}}}'
const OTHER = SET.replace('istio-cni-node', 'ztunnel')
const NODE = '{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {pool: mesh}}}'

async function observe(yaml: string, failures = 0): Promise<{ seen: object; sleeps: readonly number[] }> {
  const objects = objectsFromYaml(yaml)
  const sleeps: number[] = []
  let left = failures
  const list = (kind: KindName): Promise<readonly KubeObject[]> =>
    left-- > 0
      ? Promise.reject(new Error('no answer'))
      : Promise.resolve(objects.filter((object) => object.kind === kind))
  const clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    sleep: (ms: number) => Promise.resolve(void sleeps.push(ms)),
  }
  const seen = await observeDaemonSet({ source: { list }, namespace: 'istio-system', nodeName: 'n1', clock })
  return { seen, sleeps }
}

test.each([
  { yaml: `${SET}\n---\n${NODE}`, seen: { kind: 'found', isDeleted: false, selectsNode: true } },
  { yaml: SET, seen: { kind: 'found', isDeleted: false, selectsNode: true } },
  {
    yaml: `${SET}\n---\n${NODE.replace('mesh', 'other')}`,
    seen: { kind: 'found', isDeleted: false, selectsNode: false },
  },
  { yaml: `${OTHER}\n---\n${NODE}`, seen: { kind: 'missing' } },
])('observeDaemonSet() sees $seen', async ({ yaml, seen }) => {
  expect(await observe(yaml)).toEqual({ seen, sleeps: [] })
})

test('observeDaemonSet() asks three times, a second apart, before it gives up', async () => {
  expect(await observe(SET, 2)).toMatchObject({ seen: { kind: 'found' }, sleeps: [1000, 1000] })
  expect(await observe(SET, 3)).toEqual({
    seen: { kind: 'unknown', error: 'no answer' },
    sleeps: [1000, 1000],
  })
})
