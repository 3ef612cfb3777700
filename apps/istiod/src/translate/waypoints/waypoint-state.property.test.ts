import type { Collection } from '@ambient/collections'
import { objectKey, objectsFromYaml } from '@ambient/kube'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { DEFAULT_MESH } from '../mesh-options.ts'
import { type MeshState, meshState } from '../mesh-state.ts'

const waypoint = fc.constantFrom('w0', 'w1')
const account = fc.constantFrom('sa0', 'sa1')
const useWaypoint = fc.option(fc.constantFrom('w0', 'w1', 'none', 'gone'), { nil: undefined })
const missing = fc.option(fc.constantFrom('closed', 'direct', 'typo'), { nil: undefined })
const name = fc.nat(1)

function labels(of: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  const said = Object.entries(of).flatMap(([label, value]): [string, string][] =>
    value === undefined ? [] : [[label, value]],
  )
  return Object.fromEntries(said)
}

const wishes = fc
  .tuple(useWaypoint, missing)
  .map(([use, then]) => labels({ 'istio.io/use-waypoint': use, 'istio.io/waypoint-missing': then }))

const namespaceObject = wishes.map((said) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'shop', labels: said },
}))

const gateway = fc
  .tuple(
    waypoint,
    fc.boolean(),
    fc.option(fc.constantFrom('service', 'workload', 'all', 'none'), { nil: undefined }),
    fc.option(account, { nil: undefined }),
  )
  .map(([of, isReady, waypointFor, forAccount]) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: {
      name: of,
      namespace: 'shop',
      labels: labels({ 'istio.io/waypoint-for': waypointFor }),
      annotations: labels({ 'istio.io/for-service-account': forAccount }),
    },
    spec: { gatewayClassName: 'istio-waypoint', listeners: [] },
    status: { addresses: isReady ? [{ type: 'Hostname', value: `${of}.shop.svc.cluster.local` }] : [] },
  }))

const service = fc.tuple(name, wishes, name).map(([n, said, app]) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `s${n}`, namespace: 'shop', labels: said },
  spec: { clusterIP: `10.96.0.${n + 1}`, selector: { app: `a${app}` }, ports: [{ port: 80 }] },
}))

const pod = fc.tuple(fc.nat(2), wishes, name, account).map(([n, said, app, runsAs]) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `p${n}`, namespace: 'shop', labels: { ...said, app: `a${app}` } },
  spec: { serviceAccountName: runsAs, containers: [{ name: 'app' }] },
  status: { phase: 'Running', podIP: `10.0.0.${n + 1}` },
}))

const entry = fc.tuple(wishes, name).map(([said, n]) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name: `e${n}`, namespace: 'shop', labels: said },
  spec: {
    hosts: [`e${n}.example`],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'DNS',
  },
}))

const workloadEntry = fc.tuple(wishes, name, account).map(([said, app, runsAs]) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'WorkloadEntry',
  metadata: { name: 'vm', namespace: 'shop', labels: { ...said, app: `a${app}` } },
  spec: { address: '192.0.2.1', serviceAccount: runsAs },
}))

const policy = fc
  .constantFrom(
    { namespace: 'shop', kind: 'Service', name: 's0' },
    { namespace: 'shop', kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'w0' },
    { namespace: 'shop', kind: 'ServiceEntry', group: 'networking.istio.io', name: 'e0' },
    {
      namespace: 'istio-system',
      kind: 'GatewayClass',
      group: 'gateway.networking.k8s.io',
      name: 'istio-waypoint',
    },
  )
  .map(({ namespace, ...target }) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'p', namespace },
    spec: { targetRefs: [target], rules: [{}] },
  }))

const records = fc.subarray(['w0', 'w1', 'gone']).map((names) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'istio-ambient-waypoints', namespace: 'istio-system' },
  data: Object.fromEntries(
    names.map((of) => [`shop.${of}`, '{"className": "istio-waypoint", "waypointFor": "all", "allowed": {}}']),
  ),
}))

const edit = fc.record({
  object: fc.oneof(
    namespaceObject,
    gateway,
    gateway,
    service,
    service,
    pod,
    pod,
    entry,
    workloadEntry,
    policy,
    records,
  ),
  isRemoval: fc.boolean(),
})

function contents(...collections: readonly Collection<unknown>[]): unknown {
  return collections.map((each) =>
    Object.fromEntries([...each.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  )
}

function all(state: MeshState): unknown {
  return contents(state.addresses, state.status.conditions, state.waypointRecords.wanted)
}

test('waypointState() gives after any edits what it gives from scratch (property)', () => {
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 25 }), (edits) => {
      const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
      for (const [version, { object, isRemoval }] of edits.entries()) {
        state.graph.transaction(() => {
          for (const read of objectsFromYaml(JSON.stringify(object))) {
            const metadata = { ...read.metadata, resourceVersion: String(version) }
            const key = objectKey(metadata)
            if (isRemoval) state.inputs.get(read.kind)?.delete(key)
            else state.inputs.get(read.kind)?.set(key, { ...read, metadata })
          }
        })
      }
      const scratch = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
      scratch.graph.transaction(() => {
        for (const [kind, input] of state.inputs)
          for (const [key, object] of input.entries()) scratch.inputs.get(kind)?.set(key, object)
      })
      expect(all(state)).toEqual(all(scratch))
    }),
    { numRuns: 200 },
  )
})
