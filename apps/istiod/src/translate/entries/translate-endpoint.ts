import { defineWorkload, type Locality, type Workload } from '@ambient/model'
import type { MeshOptions } from '../mesh-options.ts'
import { tunnelOf } from '../tunnel.ts'
import { canonicalName, canonicalRevision } from '../workload-name.ts'
import type { WorkloadSurroundings } from '../workload-surroundings.ts'
import type { EndpointFacts } from './endpoint-facts.ts'

/** Always healthy: nobody looks after what is outside the cluster. */
export function translateEndpoint(
  endpoint: EndpointFacts,
  around: WorkloadSurroundings,
  mesh: MeshOptions,
): Workload {
  const { address, weight, locality, serviceAccount } = endpoint
  return defineWorkload({
    uid: `${mesh.clusterId}/${endpoint.path}`,
    name: endpoint.name,
    namespace: endpoint.namespace,
    addresses: address.kind === 'ip' ? [address.ip] : [],
    hostname: address.kind === 'host' ? address.host : '',
    network: around.network,
    networkGateway: around.networkGateway,
    ...tunnelOf(endpoint.labels, endpoint.isRedirected),
    trustDomain: mesh.trustDomain,
    ...(serviceAccount === '' ? {} : { serviceAccount }),
    canonicalName: canonicalName(endpoint.labels, endpoint.workloadName),
    canonicalRevision: canonicalRevision(endpoint.labels),
    workloadType: 'pod',
    workloadName: endpoint.workloadName,
    authorizationPolicies: around.policies,
    waypoint: around.waypoint,
    clusterId: mesh.clusterId,
    services: around.services,
    ...(locality === '' ? {} : { locality: splitLocality(locality) }),
    ...(weight === 0 ? {} : { capacity: weight }),
  })
}

function splitLocality(text: string): Locality {
  const [region = '', zone = '', subzone = ''] = text.split('/')
  return { region, zone, subzone }
}
