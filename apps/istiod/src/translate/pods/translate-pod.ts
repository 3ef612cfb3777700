import { defineWorkload, type Locality, type PortMapping, type Workload } from '@ambient/model'
import type { MeshOptions } from '../mesh-options.ts'
import type { PodFacts } from './pod-facts.ts'
import { canonicalName, canonicalRevision, workloadName } from './workload-name.ts'

/** What a pod's workload takes from other objects. */
export interface PodSurroundings {
  readonly network: string
  readonly locality: Locality | undefined
  readonly services: Readonly<Record<string, readonly PortMapping[]>>
  /** Names `ns/name`, in the order they are sent. */
  readonly policies: readonly string[]
}

/** @returns undefined for a pod that is over, or has no address yet; a pending one with an address counts. */
export function translatePod(
  pod: PodFacts,
  around: PodSurroundings,
  mesh: MeshOptions,
): Workload | undefined {
  if (pod.phase === 'Failed' || pod.phase === 'Succeeded' || pod.ips.length === 0) return undefined
  const nativeTunnel = (pod.labels['networking.istio.io/tunnel'] ?? '').split(',').includes('http')
  return defineWorkload({
    uid: podUid(mesh.clusterId, pod),
    name: pod.name,
    namespace: pod.namespace,
    addresses: pod.ips,
    network: around.network,
    tunnelProtocol: nativeTunnel || pod.isRedirected ? 'hbone' : 'none',
    nativeTunnel,
    trustDomain: mesh.trustDomain,
    serviceAccount: pod.serviceAccount,
    node: pod.node,
    canonicalName: canonicalName(pod),
    canonicalRevision: canonicalRevision(pod),
    workloadType: 'pod',
    workloadName: workloadName(pod),
    authorizationPolicies: around.policies,
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
