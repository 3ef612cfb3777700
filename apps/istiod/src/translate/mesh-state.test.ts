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

function service(
  namespace: string,
  name: string,
  app: string,
  of: { port?: number; labels?: object } = {},
): string {
  const { port = 80, labels = {} } = of
  const spec = { clusterIP: '10.96.0.1', selector: { app }, ports: [{ name: 'http', port }] }
  return JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name, labels }, spec })
}

function entry(namespace: string, name: string, address: string, host = `${name}.example`): string {
  const ports = [{ name: 'http', number: 80, protocol: 'HTTP' }]
  const spec = { hosts: [host], resolution: 'STATIC', ports, endpoints: [{ address }] }
  const apiVersion = 'networking.istio.io/v1'
  return JSON.stringify({ apiVersion, kind: 'ServiceEntry', metadata: { namespace, name }, spec })
}

function vm(namespace: string, name: string, app: string, weight: number): string {
  const metadata = { namespace, name, labels: { app } }
  const spec = { address: '10.251.0.1', weight }
  return JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind: 'WorkloadEntry', metadata, spec })
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

test('meshState() with 10,000 pods and 1,000 services evaluates at most 20 derived entries for one change', () => {
  const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
  const { addresses } = publishResources(state)
  const texts: string[] = ['{apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}']
  for (let n = 0; n < 100; n++) texts.push(`{apiVersion: v1, kind: Node, metadata: {name: node-${n}}}`)
  for (let s = 0; s < 1_000; s++) texts.push(service(`ns-${s % 20}`, `svc-${s}`, `app-${s}`))
  for (let s = 0; s < 200; s++) texts.push(policy(`ns-${s % 20}`, `policy-${s}`, `app-${s}`))
  for (let e = 0; e < 100; e++) texts.push(entry(`ns-${e % 20}`, `entry-${e}`, `10.250.0.${e}`))
  for (let v = 0; v < 100; v++) texts.push(vm(`ns-${v % 20}`, `vm-${v}`, `app-${v}`, 1))
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
  expect([state.addresses.size, addresses.size]).toEqual([11_300, 11_300])
  expect(state.addresses.get('Kubernetes//Pod/ns-3/pod-123')).toMatchObject({
    workload: {
      services: { 'ns-3/svc-123.ns-3.svc.cluster.local': [{ servicePort: 80 }] },
      authorizationPolicies: ['ns-3/policy-123', 'istio-system/istio_converted_static_strict'],
    },
  })

  /** Each address and policy that changes is encoded once more, which derives nothing. */
  const encodings = (): number =>
    ['address resources', 'authorization resources'].reduce(
      (sum, name) => sum + (state.graph.evaluationsByName.get(name) ?? expect.fail(name)),
      0,
    )
  const cost = (...changed: readonly string[]): readonly [derived: number, encoded: number] => {
    const [before, encoded] = [state.graph.evaluations, encodings()]
    put(state, objects(String(before), ...changed))
    const newlyEncoded = encodings() - encoded
    return [state.graph.evaluations - before - newlyEncoded, newlyEncoded]
  }
  const costs = {
    'a service of 10 pods changes its port': cost(service('ns-4', 'svc-124', 'app-124', { port: 81 })),
    'a service of 10 pods changes its labels': cost(
      service('ns-4', 'svc-124', 'app-124', { port: 81, labels: { a: 'b' } }),
    ),
    'a policy of 10 pods changes what it says': cost(policy('ns-4', 'policy-124', 'app-124', 'b')),
    'a policy selects 10 other pods': cost(policy('ns-5', 'policy-new', 'app-125')),
    'a pod becomes unready': cost(at(123, false)),
    'a pod comes': cost(pod('ns-3', 'new', { app: 'app-123', node: 'node-1', ip: '10.200.0.1' })),
    'a pod moves to another app': cost(
      pod('ns-3', 'pod-123', { app: 'app-143', node: 'node-23', ip: '10.0.123.1' }),
    ),
    'a ServiceEntry gets another endpoint': cost(entry('ns-1', 'entry-1', '10.250.1.1')),
    'a ServiceEntry comes for a host that another has': cost(
      entry('ns-7', 'entry-7b', '10.250.1.2', 'entry-7.example'),
    ),
    'a WorkloadEntry changes its weight': cost(vm('ns-3', 'vm-3', 'app-3', 2)),
  }
  process.stdout.write(`derived entries evaluated, and encoded: ${JSON.stringify(costs)}\n`)
  for (const [what, [derived]] of Object.entries(costs)) {
    expect([what, derived > 0, derived <= 20]).toEqual([what, true, true])
  }
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
    fc
      .tuple(small, small, small)
      .map(([n, app, port]) => service('shop', `s${n}`, `a${app}`, { port: 80 + port })),
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
