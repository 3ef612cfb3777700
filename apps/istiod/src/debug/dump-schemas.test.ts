import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { objectKey, objectsFromYaml } from '@ambient/kube'
import { type Address, addressName, defineWorkload } from '@ambient/model'
import { checkJson, testCa, wholePolicy, wholeService, wholeWorkload } from '@ambient/testkit'
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
const { rootPem } = await testCa()
const mesh = `trustDomainAliases: [old.example]
discoverySelectors: [{matchLabels: {mesh: a}, matchExpressions: [{key: team, operator: In, values: [shop]}]}]
serviceScopeConfigs: [{namespaceSelector: {matchLabels: {a: b}}, servicesSelector: {matchLabels: {c: d}}, scope: GLOBAL}]
serviceEntryVisibility: {defaultVisibility: PUBLIC, policies: [{visibility: NAMESPACE, matchingRules: [{namespaceSelector: {matchLabels: {e: f}}}]}]}
caCertificates: [{trustDomains: [old.example], pem: ${JSON.stringify(rootPem)}}]
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
`
const objects = objectsFromYaml(`
{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: ${JSON.stringify(mesh)}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  {name: whole, namespace: shop, generateName: who, labels: {a: b}, annotations: {c: d}, generation: 3, deletionTimestamp: "2026-01-01T00:00:00Z",
   ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: o, uid: u, controller: true}]}
spec: {hosts: [a.example], ports: [{number: 80, name: http}], resolution: DNS}
status: {addresses: [{value: 240.240.0.1, host: a.example}]}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80, targetPort: 8080}]}}
---
{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: bad, namespace: shop, annotations: {istio.io/dry-run: "false"}}, spec: {rules: [{nonsense: 1}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: net-2, namespace: istio-system, labels: {topology.istio.io/network: net-2}}, spec: {gatewayClassName: istio-remote, listeners: [{name: a, port: 15008, protocol: HBONE}]}, status: {addresses: [{value: 192.0.2.2}]}}`)
state.graph.transaction(() => {
  for (const object of objects) state.inputs.get(object.kind)?.set(objectKey(object.metadata), object)
})
// No Service of Kubernetes has subject names: these come as others' do, and are what all dumps show.
const collected = state.graph.input<Address>('whole')
const services = wholeWorkload.kind === 'workload' ? wholeWorkload.workload.services : {}
const ownPod = defineWorkload({
  uid: 'Kubernetes//Pod/istio-system/zt',
  name: 'zt',
  namespace: 'istio-system',
  services,
})
state.graph.transaction(() => {
  for (const each of [wholeService, wholeWorkload, { kind: 'workload', workload: ownPod } as const])
    collected.set(addressName(each), each)
})

const deps: DebugDeps = {
  fullNamespaces: [],
  clusterId: 'Kubernetes',
  remoteClusters: () => [{ id: 'other', isSynced: false }],
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  systemNamespace: 'istio-system',
  state: { ...state, addresses: collected },
  published: { addresses, policies, viewsFor: () => connection.views },
  connections: () => [connection],
  problems: () => [{ file: 'a.yaml', message: 'cannot be read', hasLastGood: true }],
  clock: { monotonicMs: () => performance.now(), nowMs: () => 0 },
}

test.each(debugCommandNames)(
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
