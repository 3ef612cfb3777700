import { AsyncQueue, systemClock } from '@ambient/lifecycle'
import {
  type KindName,
  type KubeObject,
  objectsFromYaml,
  type ResourceSource,
  type WatchEvent,
} from '@ambient/kube'
import { expect, test, vi } from 'vitest'
import { remoteKinds, watchedKinds } from '../translate/mesh-inputs.ts'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { meshState } from '../translate/mesh-state.ts'
import { feedMeshState } from './feed-mesh-state.ts'

function pod(name: string): KubeObject {
  const [object] = objectsFromYaml(
    `{apiVersion: v1, kind: Pod, metadata: {name: ${name}}, status: {phase: Running, podIP: 10.0.0.1}}`,
  )
  return object ?? expect.fail('one pod')
}

test('feedMeshState() of another cluster reads what counts of it, and keeps it apart', async () => {
  const queues = new Map(remoteKinds.map((kind) => [kind, new AsyncQueue<WatchEvent>(100)]))
  const source: ResourceSource = {
    list: () => expect.fail('is not asked'),
    watch: (kind) =>
      remoteKinds.flatMap((each) => (each === kind ? (queues.get(each) ?? []) : []))[0] ?? expect.fail(kind),
  }
  const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
  const synced = Promise.withResolvers<void>()
  const feeding = feedMeshState(
    {
      source,
      state,
      cluster: 'c2',
      namespace: 'istio-system',
      clock: systemClock,
      onEvent: () => {},
      onCommitted: () => {},
      onSynced: synced.resolve,
    },
    new AbortController().signal,
  )
  state.graph.transaction(() => state.inputs.get('Pod')?.set('default/a', pod('a')))
  queues.get('Pod')?.push({ type: 'added', object: pod('a') })
  for (const queue of queues.values()) queue.push({ type: 'synced' })
  await synced.promise
  expect([...state.addresses.entries()].map(([name]) => name)).toEqual([
    'Kubernetes//Pod/default/a',
    'c2//Pod/default/a',
  ])
  queues.get('Pod')?.push({ type: 'deleted', object: pod('a') })
  await vi.waitFor(() => expect(state.addresses.size).toBe(1))
  expect(state.pods.size).toBe(1)
  for (const queue of queues.values()) queue.close()
  await feeding
})

test('feedMeshState() puts nothing in force before every kind is synced, then everything at once', async () => {
  const queues = new Map(watchedKinds.map((kind) => [kind, new AsyncQueue<WatchEvent>(100)]))
  const source: ResourceSource = {
    list: () => expect.fail('is not asked'),
    watch: (kind) => queues.get(kind) ?? expect.fail(kind),
  }
  const tell = (kind: KindName, event: WatchEvent): unknown => queues.get(kind)?.push(event)
  const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
  const log: string[] = []
  const feeding = feedMeshState(
    {
      source,
      state,
      namespace: 'istio-system',
      clock: systemClock,
      onEvent: (kind, event) => log.push(`${event} ${kind}`),
      onCommitted: () => log.push(`committed ${state.addresses.size}`),
      onSynced: () => log.push(`synced ${state.addresses.size}`),
    },
    new AbortController().signal,
  )
  tell('Pod', { type: 'added', object: pod('a') })
  tell('Pod', { type: 'added', object: pod('b') })
  for (const kind of watchedKinds.slice(1)) tell(kind, { type: 'synced' })
  await vi.waitFor(() => expect(log).toEqual(['added Pod', 'added Pod']))
  expect(state.addresses.size).toBe(0)
  tell('Namespace', { type: 'synced' })
  await vi.waitFor(() => expect(log).toEqual(['added Pod', 'added Pod', 'committed 2', 'synced 2']))
  tell('Pod', { type: 'deleted', object: pod('a') })
  await vi.waitFor(() => expect(log.slice(4)).toEqual(['deleted Pod', 'committed 1']))
  for (const queue of queues.values()) queue.close()
  await feeding
})
