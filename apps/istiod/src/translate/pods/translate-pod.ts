import { type ApplicationTunnel, defineWorkload, type Locality, type Workload } from '@ambient/model'
import type { MeshOptions } from '../mesh-options.ts'
import { tunnelOf } from '../tunnel.ts'
import { canonicalName, canonicalRevision, podWorkloadName } from '../workload-name.ts'
import type { WorkloadSurroundings } from '../workload-surroundings.ts'
import { isOver, type PodFacts } from './pod-facts.ts'

export interface PodSurroundings extends WorkloadSurroundings {
  /** Of its node. */
  readonly locality: Locality | undefined
  /** Of a waypoint's own pod, how its node proxy hands it connections. */
  readonly applicationTunnel: ApplicationTunnel | undefined
}

/** @returns undefined for a pod that is over, or has no address yet; a pending one with an address counts. */
export function translatePod(
  pod: PodFacts,
  around: PodSurroundings,
  mesh: MeshOptions,
): Workload | undefined {
  if (isOver(pod)) return undefined
  const workloadName = podWorkloadName(pod)
  return defineWorkload({
    uid: podUid(mesh.clusterId, pod),
    name: pod.name,
    namespace: pod.namespace,
    addresses: pod.ips,
    network: around.network,
    networkGateway: around.networkGateway,
    ...tunnelOf(pod.labels, pod.isRedirected),
    trustDomain: mesh.trustDomain,
    serviceAccount: pod.serviceAccount,
    node: pod.node,
    canonicalName: canonicalName(pod.labels, workloadName),
    canonicalRevision: canonicalRevision(pod.labels),
    workloadType: 'pod',
    workloadName,
    authorizationPolicies: around.policies,
    waypoint: around.waypoint,
    applicationTunnel: around.applicationTunnel,
    status: pod.isReady && !pod.isTerminating ? 'healthy' : 'unhealthy',
    clusterId: mesh.clusterId,
    services: around.services,
    networkMode: pod.isHostNetwork ? 'host-network' : 'standard',
    ...(around.locality === undefined ? {} : { locality: around.locality }),
  })
}

function podUid(clusterId: string, pod: Pick<PodFacts, 'namespace' | 'name'>): string {
  return `${clusterId}//Pod/${pod.namespace}/${pod.name}`
}
