import type { Collection } from '@ambient/collections'
import type { MeshInputs } from '../mesh-inputs.ts'
import { accountsOfServices, type MemberSources } from './account-members.ts'
import { serviceWaypoints } from './service-waypoints.ts'
import type { WaypointBinding } from './waypoint-binding.ts'
import type { WaypointState } from './waypoint-state.ts'
import { workloadEntryWaypoints } from './workload-waypoints.ts'

/** The waypoint of each object of a kind, under `namespace/name`; that of a pod is worked out with the pod. */
export interface WaypointBindings {
  readonly services: Collection<WaypointBinding>
  readonly entries: Collection<WaypointBinding>
  readonly workloadEntries: Collection<WaypointBinding>
}

export interface BindingSources extends MemberSources {
  readonly waypoints: WaypointState
  readonly entryBindings: Collection<WaypointBinding>
}

export function waypointBindings(inputs: MeshInputs, sources: BindingSources): WaypointBindings {
  const { waypoints, kubeServices, workloadEntries, entryBindings } = sources
  const accountsOf = accountsOfServices(inputs, waypoints, sources)
  return {
    services: serviceWaypoints(inputs, { waypoints, kubeServices, accountsOf }),
    entries: entryBindings,
    workloadEntries: workloadEntryWaypoints(inputs, workloadEntries, waypoints),
  }
}
