import { expect, test } from 'vitest'
import { CniError } from '../cni-error.ts'
import type { PodView } from './pod-view.ts'
import { defaultSelectors, parseSelectors, selectPod, type SelectionRules } from './select-pod.ts'

const pod: PodView = {
  ref: { kind: 'Pod', namespace: 'shop', name: 'web', uid: 'u1' },
  uid: 'u1',
  cgroupUid: 'u1',
  name: 'web',
  namespace: 'shop',
  serviceAccount: 'default',
  labels: {},
  annotations: {},
  hostNetwork: false,
  isFinished: false,
  ips: ['10.0.0.2'],
}
const rules: SelectionRules = {
  selectors: defaultSelectors,
  excludeNamespaces: new Set(['kube-system']),
  systemNamespace: 'istio-system',
}
const mode = (value: string): Readonly<Record<string, string>> => ({ 'istio.io/dataplane-mode': value })
const left = (because: string): object => ({ kind: 'leave', because })
const enrol = { kind: 'enrol' }
const gateway = { 'gateway.networking.k8s.io/gateway-name': 'waypoint' }

test.each([
  { name: 'leaves a pod that nobody selected', change: {}, namespace: {}, expected: left('not-selected') },
  { name: 'enrols by the label of the namespace', change: {}, namespace: mode('ambient'), expected: enrol },
  {
    name: 'enrols by the label of the pod',
    change: { labels: mode('ambient') },
    namespace: {},
    expected: enrol,
  },
  {
    name: 'enrols by the label of the pod against the namespace',
    change: { labels: mode('ambient') },
    namespace: mode('none'),
    expected: enrol,
  },
  {
    name: 'lets the pod say no',
    change: { labels: mode('none') },
    namespace: mode('ambient'),
    expected: left('not-selected'),
  },
  {
    name: 'takes an unknown mode of the pod for no word at all',
    change: { labels: mode('x') },
    namespace: mode('ambient'),
    expected: enrol,
  },
  {
    name: 'never enrols on the host network',
    change: { hostNetwork: true, labels: mode('ambient') },
    namespace: {},
    expected: left('host-network'),
  },
  {
    name: 'never enrols beside a sidecar',
    change: { annotations: { 'sidecar.istio.io/status': '{}' } },
    namespace: mode('ambient'),
    expected: left('sidecar'),
  },
  {
    name: 'never enrols in an excluded namespace',
    change: { namespace: 'kube-system', labels: mode('ambient') },
    namespace: {},
    expected: left('excluded-namespace'),
  },
  {
    name: 'never enrols ztunnel',
    change: { namespace: 'istio-system', labels: { app: 'ztunnel', ...mode('ambient') } },
    namespace: {},
    expected: left('ztunnel'),
  },
  {
    name: 'enrols a ztunnel of somebody else',
    change: { labels: { app: 'ztunnel' } },
    namespace: mode('ambient'),
    expected: enrol,
  },
  {
    name: 'leaves a gateway or waypoint',
    change: { labels: gateway },
    namespace: mode('ambient'),
    expected: left('gateway'),
  },
  {
    name: 'enrols a gateway that asks for it',
    change: { labels: { ...gateway, ...mode('ambient') } },
    namespace: {},
    expected: enrol,
  },
])('selectPod() $name', ({ change, namespace, expected }) => {
  expect(selectPod({ ...pod, ...change }, namespace, rules)).toEqual(expected)
})

test('parseSelectors() reads what replaces the default, one of which must hold', () => {
  const selectors = parseSelectors(
    '[{podSelector: {matchLabels: {mesh: "on"}}}, {namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [a]}]}}]',
  )
  const decide = (
    labels: Readonly<Record<string, string>>,
    namespace: Readonly<Record<string, string>>,
  ): string => selectPod({ ...pod, labels }, namespace, { ...rules, selectors }).kind
  expect([
    decide({ mesh: 'on' }, {}),
    decide({}, { team: 'a' }),
    decide({}, { team: 'b' }),
    decide(mode('ambient'), {}),
  ]).toEqual(['enrol', 'enrol', 'leave', 'leave'])
})

test.each(['{', 'a: 1', '[{podSelector: {matchExpressions: [{key: a, operator: Near}]}}]', '[{}]'])(
  'parseSelectors() refuses %s',
  (text) => {
    expect(() => parseSelectors(text)).toThrow(CniError)
  },
)
