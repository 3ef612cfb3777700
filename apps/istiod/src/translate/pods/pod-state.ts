import type { Collection, CollectionIndex } from '@ambient/collections'
import type { Address } from '@ambient/model'
import { workloadsByName } from '../by-name.ts'
import type { ConfigState } from '../config/config-state.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { PlaceState } from '../places/place-state.ts'
import type { Membership } from '../services/membership.ts'
import type { WorkloadPolicies } from '../waypoints/implicit-policies.ts'
import { waypointAddress } from '../waypoints/waypoint-fields.ts'
import type { WaypointState } from '../waypoints/waypoint-state.ts'
import { inboundBinding, workloadBinding } from '../waypoints/workload-waypoints.ts'
import { type PodFacts, podFacts } from './pod-facts.ts'
import { translatePod } from './translate-pod.ts'

export interface PodState {
  readonly facts: Collection<PodFacts>
  /** Pods that are not over, under `namespace/serviceAccount@node`. */
  readonly byAccountAndNode: CollectionIndex<PodFacts>
}

/** What a pod's workload is made from besides the pod. */
export interface PodSources {
  readonly places: PlaceState
  readonly membership: Membership
  readonly policies: WorkloadPolicies
  readonly waypoints: WaypointState
  readonly config: ConfigState
}

export function podState({ graph, of }: MeshInputs): PodState {
  const facts = graph.derive('pods', of('Pod'), podFacts)
  const byAccountAndNode = facts.index((pod) =>
    pod.node === '' || pod.phase === 'Failed' ? [] : [accountAndNode(pod)],
  )
  return { facts, byAccountAndNode }
}

export function accountAndNode(of: Pick<PodFacts, 'namespace' | 'serviceAccount' | 'node'>): string {
  return `${of.namespace}/${of.serviceAccount}@${of.node}`
}

export function podAddresses(
  { graph, mesh }: MeshInputs,
  pods: PodState,
  { places, membership, policies, waypoints, config }: PodSources,
): Collection<Address> {
  return graph.deriveMany<PodFacts, Address>('pod workloads', pods.facts, (pod, fetch) => {
    if (!config.isDiscovered(pod.namespace, fetch)) return new Map()
    const services = membership.ofPod(pod, fetch)
    const binding = workloadBinding({ ...pod, kind: 'Pod' }, waypoints, fetch)
    const around = {
      network: places.network(fetch),
      networkGateway: undefined,
      locality: places.locality(pod.node, fetch),
      services,
      policies: policies.attachedTo(pod, { binding, services }, fetch),
      waypoint: waypointAddress(binding),
      applicationTunnel: inboundBinding(pod, waypoints, fetch),
    }
    const workload = translatePod(pod, around, mesh)
    return workloadsByName(workload === undefined ? [] : [workload])
  })
}
