import type { Collection } from '@ambient/collections'
import type { ObjectConditions } from '../conditions.ts'
import type { ConfigState } from '../config/config-state.ts'
import type { EntryFacts } from '../entries/entry-facts.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { PolicyState } from '../policies/policy-state.ts'
import { acceptanceConditions } from './policy-acceptance.ts'
import { entryConditions, serviceConditions } from './service-waypoints.ts'
import type { WaypointBindings } from './waypoint-bindings.ts'
import type { WaypointState } from './waypoint-state.ts'
import { workloadEntryConditions } from './workload-waypoints.ts'

export interface WaypointStatusSources {
  readonly config: ConfigState
  readonly policies: PolicyState
  readonly waypoints: WaypointState
  readonly bindings: WaypointBindings
  readonly entryFacts: Collection<EntryFacts>
}

/** All that is said in statuses about waypoints: whether objects have theirs, and whether these take policies. */
export function waypointConditions(
  inputs: MeshInputs,
  { config, policies, waypoints, bindings, entryFacts }: WaypointStatusSources,
): readonly Collection<ObjectConditions>[] {
  const { own } = config
  const sources = { waypoints, bindings }
  return [
    serviceConditions(inputs, bindings.services),
    entryConditions(inputs, { config, bindings: bindings.entries, facts: entryFacts }),
    workloadEntryConditions(inputs, own.WorkloadEntry, bindings.workloadEntries),
    acceptanceConditions(
      inputs,
      {
        objects: own.AuthorizationPolicy,
        policies: policies.authorizations,
        targetsOf: (policy) => (policy.kind === 'for-waypoints' ? policy.targets : []),
      },
      sources,
    ),
    acceptanceConditions(
      inputs,
      {
        objects: own.RequestAuthentication,
        policies: policies.requestAuthentications,
        targetsOf: ({ targets }) => targets,
      },
      sources,
    ),
  ]
}
