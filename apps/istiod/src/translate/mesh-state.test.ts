import type { Collection } from '@ambient/collections'
import { type KubeObject, objectKey, objectsFromYaml } from '@ambient/kube'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { publishResources } from '../push/publish-resources.ts'
import { DEFAULT_MESH } from './mesh-options.ts'
import { type MeshState, meshState } from './mesh-state.ts'

function put(state: MeshState, changed: readonly KubeObject[]): void {
  state.graph.transaction(() => {
    for (const object of changed) state.inputs.get(object.kind)?.set(objectKey(object.metadata), object)
  })
}

/** Objects in flow YAML, each of the version given. */
function objects(version: string, ...texts: readonly string[]): readonly KubeObject[] {
  return objectsFromYaml(texts.join('\n---\n')).map((object) => ({
    ...object,
    metadata: { ...object.metadata, resourceVersion: version },
  }))
}

function pod(
  namespace: string,
  name: string,
  of: { app: string; node: string; ip: string; ready?: boolean; account?: string },
): string {
  const status = {
    phase: 'Running',
    podIP: of.ip,
    conditions: [{ type: 'Ready', status: of.ready === false ? 'False' : 'True' }],
  }
  const metadata = { namespace, name, labels: { app: of.app, tier: 'web', version: 'v1', team: 'a' } }
  const spec = {
    nodeName: of.node,
    serviceAccountName: of.account ?? 'default',
    containers: [{ name: 'app' }],
  }
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec, status })
}

function service(namespace: string, name: string, app: string, port = 80): string {
  const spec = { clusterIP: '10.96.0.1', selector: { app }, ports: [{ name: 'http', port }] }
  return JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec })
}

function policy(namespace: string, name: string, app: string, from = 'a'): string {
  const spec = { selector: { matchLabels: { app } }, rules: [{ from: [{ source: { namespaces: [from] } }] }] }
  return JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { namespace, name },
    spec,
  })
}

function contents(collection: Collection<unknown>): unknown {
  return Object.fromEntries([...collection.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

test('meshState() with 10,000 pods evaluates at most 20 derived entries for one pod’s change', () => {
  const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
  const { addresses } = publishResources(state)
  const texts: string[] = ['{apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}']
  for (let n = 0; n < 100; n++) texts.push(`{apiVersion: v1, kind: Node, metadata: {name: node-${n}}}`)
  for (let s = 0; s < 1_000; s++) texts.push(service(`ns-${s % 20}`, `svc-${s}`, `app-${s}`))
  for (let s = 0; s < 200; s++) texts.push(policy(`ns-${s % 20}`, `policy-${s}`, `app-${s}`))
  texts.push(
    '{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: default, namespace: istio-system}, spec: {mtls: {mode: STRICT}}}',
  )
  const at = (p: number, ready: boolean): string =>
    pod(`ns-${p % 20}`, `pod-${p}`, {
      app: `app-${p % 1_000}`,
      node: `node-${p % 100}`,
      ip: `10.${p >> 8}.${p & 255}.1`,
      ready,
    })
  for (let p = 0; p < 10_000; p++) texts.push(at(p, true))
  put(state, objects('1', ...texts))
  expect([state.addresses.size, addresses.size]).toEqual([11_000, 11_000])
  expect(state.addresses.get('Kubernetes//Pod/ns-3/pod-123')).toMatchObject({
    workload: {
      services: { 'ns-3/svc-123.ns-3.svc.cluster.local': [{ servicePort: 80 }] },
      authorizationPolicies: ['ns-3/policy-123', 'istio-system/istio_converted_static_strict'],
    },
  })

  const cost = (...changed: readonly string[]): number => {
    const before = state.graph.evaluations
    put(state, objects(String(before), ...changed))
    return state.graph.evaluations - before
  }
  const costs = {
    'a pod becomes unready': cost(at(123, false)),
    'a pod comes': cost(pod('ns-3', 'new', { app: 'app-123', node: 'node-1', ip: '10.200.0.1' })),
    'a pod moves to another app': cost(
      pod('ns-3', 'pod-123', { app: 'app-143', node: 'node-23', ip: '10.0.123.1' }),
    ),
    'a service of 11 pods changes its port': cost(service('ns-3', 'svc-123', 'app-123', 81)),
    'a policy of 11 pods changes what it says': cost(policy('ns-3', 'policy-123', 'app-123', 'b')),
  }
  process.stdout.write(`evaluations: ${JSON.stringify(costs)}\n`)
  const podCosts = Object.entries(costs).flatMap(([what, count]) => (what.startsWith('a pod') ? [count] : []))
  expect(podCosts).toHaveLength(3)
  expect(Math.max(...podCosts)).toBeLessThanOrEqual(20)
  expect(costs['a service of 11 pods changes its port']).toBeLessThanOrEqual(2 * 11 + 6)
  expect(costs['a policy of 11 pods changes what it says']).toBeLessThanOrEqual(9) // pods do not depend on rules
})

test('meshState() keeps the last good form of a policy and of a pod that cannot be understood any more', () => {
  const faults: string[] = []
  const state = meshState(DEFAULT_MESH, ({ cause }) => faults.push(String(cause)))
  put(
    state,
    objects('1', policy('shop', 'p', 'web'), pod('shop', 'web', { app: 'web', node: 'n', ip: '10.0.0.1' })),
  )
  const before = [contents(state.policies), contents(state.addresses)]
  const bad = policy('shop', 'p', 'web').replace('"namespaces"', '"namespace"')
  put(state, objects('2', bad, pod('shop', 'web', { app: 'web', node: 'n', ip: 'nonsense' })))
  expect([contents(state.policies), contents(state.addresses)]).toEqual(before)
  expect(faults).toHaveLength(2)
  expect(state.graph.faults).toHaveLength(2)
  put(
    state,
    objects('3', policy('shop', 'p', 'web'), pod('shop', 'web', { app: 'web', node: 'n', ip: '10.0.0.2' })),
  )
  expect(state.graph.faults).toEqual([])
})

test('meshState() gives after any edits what it gives from scratch (property)', () => {
  const small = fc.nat(2)
  const text = fc.oneof(
    fc
      .tuple(small, small, small, fc.boolean())
      .map(([n, app, node, ready]) =>
        pod('shop', `p${n}`, { app: `a${app}`, node: `n${node}`, ip: `10.0.0.${n + 1}`, ready }),
      ),
    fc.tuple(small, small, small).map(([n, app, port]) => service('shop', `s${n}`, `a${app}`, 80 + port)),
    fc
      .tuple(small, small, fc.constantFrom('shop', 'istio-system'))
      .map(([n, app, ns]) => policy(ns, `p${n}`, `a${app}`)),
    fc
      .tuple(
        small,
        fc.constantFrom('shop', 'istio-system'),
        fc.constantFrom('STRICT', 'PERMISSIVE', 'UNSET'),
        fc.boolean(),
      )
      .map(([n, namespace, mode, selects]) =>
        JSON.stringify({
          apiVersion: 'security.istio.io/v1',
          kind: 'PeerAuthentication',
          metadata: { namespace, name: `m${n}`, creationTimestamp: `2026-01-0${n + 1}T00:00:00Z` },
          spec: {
            mtls: { mode },
            ...(selects
              ? { selector: { matchLabels: { app: `a${n}` } }, portLevelMtls: { 80: { mode: 'STRICT' } } }
              : {}),
          },
        }),
      ),
    fc.tuple(small, small).map(([n, zone]) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: `n${n}`, labels: { 'topology.kubernetes.io/zone': `z${zone}` } },
      }),
    ),
    small.map((n) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: 'istio-system', labels: { 'topology.istio.io/network': `net${n}` } },
      }),
    ),
  )
  const edit = fc.record({ text, isRemoval: fc.boolean() })
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 30 }), (edits) => {
      const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
      for (const [n, { text: changed, isRemoval }] of edits.entries()) {
        const all = objects(String(n), changed)
        if (!isRemoval) put(state, all)
        else
          state.graph.transaction(() =>
            all.forEach((one) => state.inputs.get(one.kind)?.delete(objectKey(one.metadata))),
          )
      }
      const scratch = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
      put(
        scratch,
        [...state.inputs.values()].flatMap((input) => [...input.entries()].map(([, object]) => object)),
      )
      expect(contents(state.addresses)).toEqual(contents(scratch.addresses))
      expect(contents(state.policies)).toEqual(contents(scratch.policies))
    }),
    { numRuns: 200 },
  )
})
