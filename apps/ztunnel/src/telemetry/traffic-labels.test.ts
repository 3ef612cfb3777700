import { defineService, defineWorkload } from '@ambient/model'
import { parseSpiffeId } from '@ambient/spiffe'
import { trafficLabelNames } from '@ambient/telemetry'
import { expect, test } from 'vitest'
import { type TrafficFacts, trafficLabels } from './traffic-labels.ts'

const nobody = { workload: undefined, identity: undefined }
const facts: TrafficFacts = {
  reporter: 'source',
  source: {
    workload: defineWorkload({
      uid: 'a',
      name: 'client-1',
      namespace: 'shop',
      workloadName: 'client',
      canonicalName: 'client-app',
      canonicalRevision: 'v2',
      locality: { region: 'r', zone: 'z', subzone: '' },
    }),
    identity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/client'),
  },
  destination: {
    workload: defineWorkload({
      uid: 'b',
      name: 'web-1',
      namespace: 'bank',
      workloadName: 'web',
      canonicalName: 'web',
    }),
    identity: undefined,
  },
  service: defineService({ name: 'web', namespace: 'bank', hostname: 'web.bank.svc.cluster.local' }),
  security: 'mutual_tls',
}

function named(labels: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(trafficLabelNames.map((name, i) => [name, labels[i]]))
}

test('trafficLabels() gives one value for each label, in the table’s order', () => {
  expect(named(trafficLabels(facts, '-'))).toEqual({
    reporter: 'source',
    source_workload: 'client',
    source_canonical_service: 'client-app',
    source_canonical_revision: 'v2',
    source_workload_namespace: 'shop',
    source_principal: 'spiffe://cluster.local/ns/shop/sa/client',
    source_app: 'client-app',
    source_version: 'v2',
    source_cluster: 'Kubernetes',
    destination_service: 'web.bank.svc.cluster.local',
    destination_service_namespace: 'bank',
    destination_service_name: 'web',
    destination_workload: 'web',
    destination_canonical_service: 'web',
    destination_canonical_revision: 'unknown',
    destination_workload_namespace: 'bank',
    destination_principal: 'unknown',
    destination_app: 'web',
    destination_version: 'unknown',
    destination_cluster: 'Kubernetes',
    request_protocol: 'tcp',
    response_flags: '-',
    connection_security_policy: 'mutual_tls',
    source_region: 'r',
    source_zone: 'z',
    destination_region: 'unknown',
    destination_zone: 'unknown',
  })
})

test('trafficLabels() says unknown of whatever is not known', () => {
  const labels = named(
    trafficLabels(
      {
        reporter: 'destination',
        source: nobody,
        destination: nobody,
        service: undefined,
        security: 'unknown',
      },
      'DENY',
    ),
  )
  const { reporter, request_protocol, response_flags, ...rest } = labels
  expect([reporter, request_protocol, response_flags]).toEqual(['destination', 'tcp', 'DENY'])
  expect(new Set(Object.values(rest))).toEqual(new Set(['unknown']))
})

const saidOfItself = {
  clusterId: 'east',
  namespace: 'shop',
  workloadName: 'client-deploy',
  serviceName: 'client-app',
  serviceVersion: 'v3',
  region: 'r',
  zone: 'z',
}

test('trafficLabels() takes an unknown end at its word, the app being the workload’s name', () => {
  const source = { workload: undefined, identity: facts.source.identity, baggage: saidOfItself }
  expect(named(trafficLabels({ ...facts, source }, '-'))).toMatchObject({
    source_workload: 'client-deploy',
    source_canonical_service: 'client-app',
    source_canonical_revision: 'v3',
    source_workload_namespace: 'shop',
    source_app: 'client-deploy',
    source_version: 'v3',
    source_cluster: 'east',
    source_region: 'r',
    source_zone: 'z',
  })
})

test('trafficLabels() does not listen to an end that is known', () => {
  const source = { ...facts.source, baggage: { ...saidOfItself, workloadName: 'somebody-else' } }
  expect(trafficLabels({ ...facts, source }, '-')).toEqual(trafficLabels(facts, '-'))
})

test.each([
  { name: 'a namespace it did not prove', baggage: { ...saidOfItself, namespace: 'bank' }, expected: 'shop' },
  {
    name: 'a name that is too long',
    baggage: { workloadName: 'x'.repeat(254) },
    label: 'source_workload',
    expected: 'unknown',
  },
])('trafficLabels() does not believe $name', ({ baggage, label = 'source_workload_namespace', expected }) => {
  const source = { workload: undefined, identity: facts.source.identity, baggage }
  expect(named(trafficLabels({ ...facts, source }, '-'))[label]).toBe(expected)
})
