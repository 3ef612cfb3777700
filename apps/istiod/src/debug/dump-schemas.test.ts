import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { objectKey, objectsFromYaml } from '@ambient/kube'
import { type Address, addressName } from '@ambient/model'
import { checkJson, wholePolicy, wholeService, wholeWorkload } from '@ambient/testkit'
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  encodeAddressResource,
  encodeAuthorizationResource,
  ResourceTable,
  type XdsConnection,
} from '@ambient/xds'
import { expect, test } from 'vitest'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { meshState } from '../translate/mesh-state.ts'
import { debugCommandNames, type DebugDeps, runDebugCommand } from './debug-commands.ts'

const addresses = new ResourceTable(ADDRESS_TYPE)
const policies = new ResourceTable(AUTHORIZATION_TYPE)
addresses.apply(
  [wholeWorkload, wholeService].map((address) => encodeAddressResource(address)),
  [],
)
policies.apply([encodeAuthorizationResource(wholePolicy)], [])

const connection: XdsConnection = {
  id: 'ztunnel~10.0.0.1~zt.istio-system~istio-system.svc.cluster.local-1',
  node: {
    id: 'ztunnel~10.0.0.1~zt.istio-system~istio-system.svc.cluster.local',
    metadata: { CLUSTER_ID: 'cluster-1', ISTIO_VERSION: '1.30', NODE_NAME: 'node-1' },
  },
  identity: 'spiffe://cluster.local/ns/istio-system/sa/ztunnel',
  peer: '10.0.0.1:4711',
  connectedAtMs: 1,
  types: {
    [ADDRESS_TYPE]: { sent: 'a', sentAtMs: 2, acked: 'b', lastError: 'bad', names: ['x'] },
    [AUTHORIZATION_TYPE]: { sent: 'c', sentAtMs: 0, acked: '', lastError: undefined, names: [] },
  },
  views: [policies, addresses],
}

const state = meshState(DEFAULT_MESH, () => {})
const objects = objectsFromYaml(`
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80, targetPort: 8080}]}}
---
{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: bad, namespace: shop, annotations: {istio.io/dry-run: "false"}}, spec: {rules: [{nonsense: 1}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: net-2, namespace: istio-system, labels: {topology.istio.io/network: net-2}}, spec: {gatewayClassName: istio-remote, listeners: [{name: a, port: 15008, protocol: HBONE}]}, status: {addresses: [{value: 192.0.2.2}]}}`)
state.graph.transaction(() => {
  for (const object of objects) state.inputs.get(object.kind)?.set(objectKey(object.metadata), object)
})
// No Service of Kubernetes has subject names: this one comes as others' do, and is what all dumps show.
const collected = state.graph.input<Address>('whole')
state.graph.transaction(() => collected.set(addressName(wholeService), wholeService))

const deps: DebugDeps = {
  fullNamespaces: [],
  clusterId: 'Kubernetes',
  remoteClusters: () => [{ id: 'other', isSynced: false }],
  rootNamespace: 'istio-system',
  state: { ...state, addresses: collected },
  published: { addresses, policies, viewsFor: () => connection.views },
  connections: () => [connection],
  problems: () => [{ file: 'a.yaml', message: 'cannot be read', hasLastGood: true }],
  clock: { monotonicMs: () => performance.now(), nowMs: () => 0 },
}

/** Objects of others, or of our own options: their shape is not ours to promise. */
const WITHOUT_SCHEMA = ['configz', 'mesh']

test.each(debugCommandNames.filter((name) => !WITHOUT_SCHEMA.includes(name)))(
  '/debug/%s is what its schema says, with every field of it filled',
  async (name) => {
    const query = new URLSearchParams({ proxyID: 'zt.istio-system' })
    const answer = await runDebugCommand(name, query, { kind: 'local' }, deps)
    if (answer.status !== 200) expect.fail(answer.text)
    const path = join(import.meta.dirname, '..', '..', 'schemas', `${name}.json`)
    const schema = JSON.parse(readFileSync(path, 'utf8')) as object
    expect(checkJson(schema, JSON.parse(answer.json))).toEqual({ problems: [], unused: [] })
  },
)
