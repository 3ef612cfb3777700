import { objectKey, objectsFromYaml, toYaml, type KubeObject } from '@ambient/kube'
import { expect, test } from 'vitest'
import { newRoot } from '../../../test/new-root.ts'
import { DEFAULT_MESH } from '../mesh-options.ts'
import { type MeshState, meshState } from '../mesh-state.ts'
import { NO_MESH_CONFIG, readMeshConfig } from './mesh-config.ts'

const ANCHOR = (await newRoot()).certificatePem.trim()
const indented = ANCHOR.replaceAll(/^/gm, '    ')

function configMap(mesh: string, resourceVersion = '1'): KubeObject {
  const [object] = objectsFromYaml(
    toYaml({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'istio', namespace: 'istio-system' },
      data: { mesh },
    }),
  )
  if (object === undefined) throw new Error('one object')
  return { ...object, metadata: { ...object.metadata, resourceVersion } }
}

test('readMeshConfig() takes what concerns it and leaves the rest', () => {
  const text = `
rootNamespace: mesh-root
trustDomain: a.example
trustDomainAliases: [b.example]
accessLogFile: /dev/stdout
defaultConfig: {discoveryAddress: istiod.istio-system.svc:15012}
discoverySelectors: [{matchLabels: {mesh: "yes"}}]
serviceScopeConfigs:
- {namespaceSelector: {matchLabels: {istio.io/global: "true"}}, scope: GLOBAL}
- {servicesSelector: {matchExpressions: [{key: team, operator: Exists}]}}
serviceEntryVisibility:
  defaultVisibility: NAMESPACE
  applyToSidecars: true
  policies:
  - {visibility: NONE, matchingRules: [{namespaceSelector: {matchLabels: {a: b}}}, {hostnameSuffix: .example}]}
  - {}
caCertificates:
- pem: |
${indented}
  trustDomains: [partner.example]
- {spiffeBundleUrl: "https://bundles.example/", trustDomains: [other.example]}
`
  expect(readMeshConfig(configMap(text))).toEqual({
    rootNamespace: 'mesh-root',
    trustDomain: 'a.example',
    trustDomainAliases: ['b.example'],
    discoverySelectors: [{ matchLabels: { mesh: 'yes' }, matchExpressions: [] }],
    serviceScopes: [
      {
        namespaces: { matchLabels: { 'istio.io/global': 'true' }, matchExpressions: [] },
        services: undefined,
        scope: 'global',
      },
      {
        namespaces: undefined,
        services: { matchLabels: {}, matchExpressions: [{ key: 'team', operator: 'Exists' }] },
        scope: 'local',
      },
    ],
    trustAnchors: [{ pem: `${ANCHOR}\n`, trustDomains: ['partner.example'] }],
    visibility: {
      byDefault: 'namespace',
      policies: [
        { visibility: 'none', rules: [{ matchLabels: { a: 'b' }, matchExpressions: [] }, undefined] },
        { visibility: 'public', rules: [] },
      ],
    },
  })
  expect(readMeshConfig(configMap(''))).toEqual(NO_MESH_CONFIG)
})

test.each([
  ['trustDomain: "no domain"', 'data.mesh: trustDomain is no trust domain: "no domain"'],
  ['trustDomainAliases: [ok, "Not Ok"]', 'trustDomainAliases[1] is no trust domain: "Not Ok"'],
  [
    'serviceScopeConfigs: [{scope: WIDE}]',
    'serviceScopeConfigs[0].scope must be one of LOCAL, GLOBAL: "WIDE"',
  ],
  [
    'serviceEntryVisibility: {defaultVisibility: SECRET}',
    'serviceEntryVisibility.defaultVisibility must be one of',
  ],
  ['discoverySelectors: {}', 'discoverySelectors must be a list'],
  ['caCertificates: [{}]', 'caCertificates[0] has no pem'],
  ['caCertificates: [{pem: nonsense}]', 'caCertificates[0].pem is no certificate of a CA in PEM: "nonsense"'],
  ['caCertificates: [{pem: nonsense, trustDomains: [A]}]', 'caCertificates[0].pem is no certificate'],
  ['a: [', 'line 1, column'],
])('readMeshConfig() refuses %s', (text, message) => {
  expect(() => readMeshConfig(configMap(text))).toThrow(message)
})

const POLICY = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec: {rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}
`

test('meshState() follows the mesh config while it runs, and keeps the last good one', () => {
  const faults: string[] = []
  const state = meshState(DEFAULT_MESH, ({ cause }) => faults.push(String(cause)))
  const principals = (): readonly unknown[] =>
    state.policies.get('shop/p')?.rules[0]?.[0]?.[0]?.principals ?? []
  put(state, objectsFromYaml(POLICY))
  expect(principals()).toHaveLength(1)
  put(state, [configMap('trustDomainAliases: [old]', '1')])
  expect(principals()).toHaveLength(2)
  put(state, [configMap('trustDomainAliases: [old, older]', '2')])
  expect(principals()).toHaveLength(3)
  put(state, [configMap('trustDomainAliases: nonsense', '3')])
  expect(principals()).toHaveLength(3)
  expect(faults).toEqual([
    expect.stringContaining('ConfigMap istio-system/istio data.mesh: trustDomainAliases must be a list'),
  ])
  state.graph.transaction(() => state.inputs.get('ConfigMap')?.delete('istio-system/istio'))
  expect(principals()).toHaveLength(1)
})

test('meshState() falls back on the mesh config of its start when it has never read a good one', () => {
  const startConfig = { ...NO_MESH_CONFIG, trustDomainAliases: ['old'] }
  const state = meshState({ ...DEFAULT_MESH, startConfig }, () => {})
  put(state, [...objectsFromYaml(POLICY), configMap('trustDomainAliases: nonsense')])
  expect(state.policies.get('shop/p')?.rules[0]?.[0]?.[0]?.principals).toHaveLength(2)
})

function put(state: MeshState, objects: readonly KubeObject[]): void {
  state.graph.transaction(() => {
    for (const object of objects) state.inputs.get(object.kind)?.set(objectKey(object.metadata), object)
  })
}
