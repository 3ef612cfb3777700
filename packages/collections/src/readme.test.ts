import { expect, test } from 'vitest'
import { CollectionGraph, type Fault } from './index.ts'

test('the README’s example runs', () => {
  const faults: Fault[] = []
  const told: string[] = []
  const graph = new CollectionGraph((fault) => faults.push(fault))
  const pods = graph.input<{ node: string }>('pods')
  const nodes = graph.input<{ zone: string }>('nodes')
  const zones = graph.derive('zones', pods, (pod, fetch) => fetch.get(nodes, pod.node)?.zone)
  zones.onChange((changes) =>
    told.push(changes.map(({ key, before, after }) => `${key}: ${before} → ${after}`).join()),
  )

  graph.transaction(() => {
    pods.set('web', { node: 'a' })
    nodes.set('a', { zone: 'eu-1' })
  })
  graph.transaction(() => nodes.set('a', { zone: 'eu-2' }))
  graph.transaction(() => nodes.set('b', { zone: 'eu-3' }))

  expect(told).toEqual(['web: undefined → eu-1', 'web: eu-1 → eu-2'])
  expect(graph.evaluations).toBe(2)
  expect(faults).toEqual([])
})
