import { CollectionGraph, type InputCollection } from '@ambient/collections'
import { type Address, addressName, defineService, defineWorkload, type Workload } from '@ambient/model'
import { expect, test } from 'vitest'
import { endpointShards, instancesByClient } from './endpoint-dumps.ts'
import { renderJson } from './render-json.ts'

const PORTS = [{ servicePort: 80, targetPort: 8080, appProtocol: 'unknown' }] as const
const web = defineService({
  name: 'web',
  namespace: 'shop',
  hostname: 'web.shop.svc.cluster.local',
  ports: PORTS,
  loadBalancing: { routingPreference: [], mode: 'unspecified', healthPolicy: 'allow-all' },
})

function collected(...workloads: readonly Workload[]): InputCollection<Address> {
  const graph = new CollectionGraph((fault) => expect.fail(String(fault.cause)))
  const addresses = graph.input<Address>('addresses')
  const all: readonly Address[] = [
    { kind: 'service', service: web },
    ...workloads.map((workload) => ({ kind: 'workload', workload }) as const),
  ]
  graph.transaction(() => all.forEach((each) => addresses.set(addressName(each), each)))
  return addresses
}

const pod = defineWorkload({
  uid: 'Kubernetes//Pod/shop/web-1',
  name: 'web-1',
  namespace: 'shop',
  addresses: ['10.0.0.1', 'fd00::1'],
  serviceAccount: 'web',
  workloadName: 'web',
  node: 'node-a',
  status: 'unhealthy',
  locality: { region: 'eu', zone: 'eu-1', subzone: '' },
  services: { 'shop/web.shop.svc.cluster.local': PORTS },
})

test('endpointShards() tells of each host its endpoints, by namespace and registry', async () => {
  const named = defineWorkload({
    uid: 'Kubernetes/networking.istio.io/ServiceEntry/ext/api/api.example',
    name: 'api',
    namespace: 'ext',
    hostname: 'api.example',
    services: { 'ext/api.example': [...PORTS, { servicePort: 443, targetPort: 443, appProtocol: 'tls' }] },
  })
  const dump = endpointShards(collected(pod, named))
  const json: unknown = JSON.parse(await renderJson(dump, 'compact', { monotonicMs: () => 0 }))
  const endpoint = {
    Addresses: ['api.example'],
    LegacyClusterPortKey: 80,
    ServiceAccount: 'spiffe://cluster.local/ns/ext/sa/default',
    Network: '',
    Locality: { Label: '', ClusterID: 'Kubernetes' },
    EndpointPort: 8080,
    LbWeight: 1,
    Namespace: 'ext',
    WorkloadName: '',
    HealthStatus: 1,
    SendUnhealthyEndpoints: false,
    NodeName: '',
  }
  expect(json).toEqual({
    'api.example': {
      ext: {
        Shards: {
          'External/Kubernetes': [endpoint, { ...endpoint, LegacyClusterPortKey: 443, EndpointPort: 443 }],
        },
        ServiceAccounts: { 'spiffe://cluster.local/ns/ext/sa/default': {} },
      },
    },
    'web.shop.svc.cluster.local': {
      shop: {
        Shards: {
          'Kubernetes/Kubernetes': [
            {
              ...endpoint,
              Addresses: ['10.0.0.1', 'fd00::1'],
              ServiceAccount: 'spiffe://cluster.local/ns/shop/sa/web',
              Locality: { Label: 'eu/eu-1', ClusterID: 'Kubernetes' },
              Namespace: 'shop',
              WorkloadName: 'web',
              HealthStatus: 2,
              SendUnhealthyEndpoints: true,
              NodeName: 'node-a',
            },
          ],
        },
        ServiceAccounts: { 'spiffe://cluster.local/ns/shop/sa/web': {} },
      },
    },
  })
})

test.each([
  { proxy: 'web-1.shop', services: ['web.shop.svc.cluster.local'] },
  { proxy: 'web-2.shop', services: [] },
  { proxy: 'nonsense', services: [] },
])('instancesByClient() tells of $proxy $services', ({ proxy, services }) => {
  const id = `sidecar~10.0.0.1~${proxy}~shop.svc.cluster.local`
  const connection = {
    id: `${id}-1`,
    node: { id, metadata: {} },
    identity: '',
    peer: '',
    connectedAtMs: 0,
    types: {},
    views: [],
  }
  expect(instancesByClient([connection], collected(pod), 'Kubernetes')).toEqual({
    [id]: services.map((hostname) => ({
      Service: expect.objectContaining({ hostname }) as unknown,
      Port: { port: 80, TargetPort: 8080 },
    })),
  })
})
