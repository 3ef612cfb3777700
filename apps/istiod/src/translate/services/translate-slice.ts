import { defineWorkload, type Workload } from '@ambient/model'
import type { MeshOptions } from '../mesh-options.ts'
import type { ServiceFacts } from './service-facts.ts'
import { slicePorts } from './service-ports.ts'
import type { SliceFacts } from './slice-facts.ts'

/** The endpoints of a hand-written slice that are not pods, such as the API server's: addresses without an identity. */
export function translateSlice(
  slice: SliceFacts,
  service: ServiceFacts,
  around: { readonly network: string },
  mesh: MeshOptions,
): readonly Workload[] {
  const services = { [`${service.namespace}/${service.hostname}`]: slicePorts(service, slice) }
  return slice.addresses.map(({ ip, isReady }) =>
    defineWorkload({
      uid: `${mesh.clusterId}/discovery.k8s.io/EndpointSlice/${slice.namespace}/${slice.name}/${ip}`,
      name: slice.name,
      namespace: slice.namespace,
      addresses: [ip],
      network: around.network,
      trustDomain: mesh.trustDomain,
      clusterId: mesh.clusterId,
      workloadType: 'pod',
      workloadName: slice.name,
      canonicalName: slice.name,
      canonicalRevision: 'latest',
      status: isReady ? 'healthy' : 'unhealthy',
      networkMode: 'host-network',
      services,
    }),
  )
}
