import type { AuthorizationPolicy } from '@ambient/policy'
import { expect, test } from 'vitest'
import { mesh, pod, port, serves, service } from '../../test/mesh-fixture.ts'

const policy: AuthorizationPolicy = {
  name: 'p',
  namespace: 'shop',
  scope: 'namespace',
  action: 'deny',
  dryRun: false,
  rules: [
    [
      [
        {
          principals: [{ kind: 'exact', value: 'x' }],
          notNamespaces: [{ kind: 'presence' }],
          sourceIps: [{ ip: '10.0.0.0', length: 8 }],
          destinationPorts: [80],
        },
      ],
    ],
  ],
}

const snapshot = mesh(
  service('web', {
    addresses: [
      { network: 'n', ip: '10.96.0.1' },
      { network: 'n', ip: '10.97.0.0', prefixLength: 16 },
    ],
    ports: [port(80, 0)],
    waypoint: { destination: { kind: 'hostname', namespace: 'shop', hostname: 'wp' }, hboneMtlsPort: 15008 },
    loadBalancing: {
      routingPreference: ['network', 'zone'],
      mode: 'failover',
      healthPolicy: 'only-healthy',
    },
  }),
  pod('a', {
    ...serves('web', [80, 8080]),
    addresses: ['10.0.0.1'],
    networkMode: 'host-network',
    waypoint: { destination: { kind: 'address', network: '', ip: '10.0.0.9' }, hboneMtlsPort: 15008 },
  }),
)
snapshot.apply({ addresses: { upserts: [], removed: [] }, policies: { upserts: [policy], removed: [] } })
const dump = snapshot.dump()
const uid = 'Kubernetes//Pod/shop/a'

test('dumpMesh() names a workload’s fields as istioctl reads them', () => {
  expect(dump.workloads).toMatchObject([
    {
      uid,
      workloadIps: ['10.0.0.1'],
      protocol: 'HBONE',
      networkMode: 'HostNetwork',
      status: 'Healthy',
      trustDomain: 'cluster.local',
      waypoint: { destination: '/10.0.0.9', hboneMtlsPort: 15008 },
      services: { 'shop/web': { 80: 8080 } },
      authorizationPolicies: [],
    },
  ])
})

test('dumpMesh() names a service’s fields as istioctl reads them', () => {
  expect(dump.services).toMatchObject([
    {
      name: 'web',
      vips: ['n/10.96.0.1'],
      cidrVips: ['n/10.97.0.0/16'],
      ports: { 80: 0 },
      subjectAltNames: [],
      endpoints: { [uid]: { workloadUid: uid, port: { 80: 8080 }, status: 'Healthy' } },
      waypoint: { destination: 'shop/wp', hboneMtlsPort: 15008 },
      loadBalancer: {
        routingPreferences: ['Network', 'Zone'],
        mode: 'Failover',
        healthPolicy: 'OnlyHealthy',
      },
    },
  ])
  expect(dump.stagedServices).toEqual({})
})

test('dumpMesh() names a policy’s fields as istioctl reads them', () => {
  expect(dump.policies).toEqual([
    {
      name: 'p',
      namespace: 'shop',
      scope: 'Namespace',
      action: 'Deny',
      rules: [
        [
          [
            {
              principals: [{ Exact: 'x' }],
              notNamespaces: [{ Presence: [] }],
              sourceIps: ['10.0.0.0/8'],
              destinationPorts: [80],
            },
          ],
        ],
      ],
    },
  ])
})
