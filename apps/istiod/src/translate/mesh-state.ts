import {
  type Collection,
  CollectionGraph,
  type CollectionIndex,
  type Fault,
  type InputCollection,
} from '@ambient/collections'
import type { KindName, KubeObject } from '@ambient/kube'
import type { Address } from '@ambient/model'
import type { AuthorizationPolicy } from '@ambient/policy'
import { configState } from './config/config-state.ts'
import type { MeshConfig } from './config/mesh-config.ts'
import { type AddressClaim, addressClaims } from './entries/address-claims.ts'
import { inlineAddresses, workloadEntries, workloadEntryAddresses } from './entries/entry-addresses.ts'
import { entryState } from './entries/entry-state.ts'
import { meshInputs } from './mesh-inputs.ts'
import type { MeshOptions } from './mesh-options.ts'
import { placeState } from './places/place-state.ts'
import type { PodFacts } from './pods/pod-facts.ts'
import { podAddresses, podState } from './pods/pod-state.ts'
import { policyState } from './policies/policy-state.ts'
import { kubeServices, serviceAddresses } from './services/kube-services.ts'
import { membership } from './services/membership.ts'
import { sliceAddresses } from './services/slice-addresses.ts'
import { sliceFacts } from './services/slice-facts.ts'
import { accountsOfServices } from './waypoints/account-members.ts'
import { entryWaypoints, serviceWaypoints } from './waypoints/service-waypoints.ts'
import { wantedRecords } from './waypoints/wanted-records.ts'
import type { WaypointRecord } from './waypoints/waypoint-records.ts'
import { waypointState } from './waypoints/waypoint-state.ts'
import { workloadEntryWaypoints } from './waypoints/workload-waypoints.ts'
import { waypointConditions } from './waypoints/waypoint-status.ts'
import { type StatusState, statusState } from './status-state.ts'

/** Everything istiod knows, and what follows from it; objects go in, resources come out. */
export interface MeshState {
  readonly graph: CollectionGraph
  /** Objects by kind, each under `namespace/name` or `name`. */
  readonly inputs: ReadonlyMap<KindName, InputCollection<KubeObject>>
  /** The mesh's configuration, when there is one. */
  readonly config: Collection<MeshConfig>
  readonly pods: Collection<PodFacts>
  /** Pods that are not over, under `namespace/serviceAccount@node`. */
  readonly podsByAccountAndNode: CollectionIndex<PodFacts>
  /** Under the names they have on the wire. */
  readonly addresses: Collection<Address>
  /** Which virtual IPs the ServiceEntries have and want, under `namespace/name`. */
  readonly addressClaims: Collection<AddressClaim>
  /** Under `namespace/name`. */
  readonly policies: Collection<AuthorizationPolicy>
  readonly status: StatusState
  /** What is remembered of waypoints, and what should be. */
  readonly waypointRecords: {
    readonly written: Collection<WaypointRecord>
    readonly wanted: Collection<WaypointRecord>
  }
}

/**
 * Puts the parts together, each made from those before it. What a part derives is in its own folder.
 *
 * @param onFault Told of each object that cannot be used; see `CollectionGraph` for what stays in force.
 */
export function meshState(mesh: MeshOptions, onFault: (fault: Fault) => void): MeshState {
  const graph = new CollectionGraph(onFault)
  const inputs = meshInputs(graph, mesh)
  const config = configState(inputs)
  const places = placeState(inputs)
  const policies = policyState(inputs, config)
  const waypoints = waypointState(inputs, { places, l7: policies.l7 })
  const services = kubeServices(inputs, config)
  const entryBindings = entryWaypoints(inputs, { config, waypoints })
  const entries = entryState(inputs, { config, places, kubeServices: services, waypoints: entryBindings })
  const slices = graph.derive('endpoint slices', inputs.of('EndpointSlice'), sliceFacts)
  const members = membership({
    services: graph.union('all service facts', [services.facts, entries.services]),
    kubeServices: services,
    slices,
  })
  const pods = podState(inputs)
  const workloads = workloadEntries(inputs, config)
  const accountsOf = accountsOfServices(inputs, waypoints, {
    pods: pods.facts,
    workloadEntries: workloads,
    slices,
    membership: members,
    kubeServices: services,
  })
  const bindings = {
    services: serviceWaypoints(inputs, { waypoints, kubeServices: services, accountsOf }),
    entries: entryBindings,
    workloadEntries: workloadEntryWaypoints(inputs, workloads, waypoints),
  }
  const around = { places, policies, waypoints, config }
  const addresses = graph.union<Address>('addresses', [
    podAddresses(inputs, pods, { ...around, membership: members }),
    workloadEntryAddresses(inputs, workloads, {
      ...around,
      membership: members,
      bindings: bindings.workloadEntries,
    }),
    inlineAddresses(inputs, entries, around),
    sliceAddresses(inputs, slices, { kubeServices: services, places }),
    serviceAddresses(inputs, services, { places, config, waypoints: bindings.services }),
    entries.addresses,
  ])
  const conditions = waypointConditions(inputs, {
    config,
    policies,
    waypoints,
    bindings,
    entryFacts: entries.facts,
  })
  return {
    graph,
    inputs: inputs.byKind,
    config: config.current,
    pods: pods.facts,
    podsByAccountAndNode: pods.byAccountAndNode,
    addresses,
    addressClaims: addressClaims(inputs, config),
    policies: policies.all,
    status: statusState(inputs, config, [...policies.conditions, ...conditions]),
    waypointRecords: {
      written: waypoints.records,
      wanted: wantedRecords(inputs, { waypoints, config, pods: pods.facts }),
    },
  }
}
