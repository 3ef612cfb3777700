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
import type { ObjectConditions } from './conditions.ts'
import { type ConfigState, configState } from './config/config-state.ts'
import type { MeshConfig } from './config/mesh-config.ts'
import { type AddressClaim, addressClaims } from './entries/address-claims.ts'
import { inlineAddresses, workloadEntries, workloadEntryAddresses } from './entries/entry-addresses.ts'
import type { EndpointFacts } from './entries/endpoint-facts.ts'
import { entryState } from './entries/entry-state.ts'
import { type MeshInputs, meshInputs } from './mesh-inputs.ts'
import type { MeshOptions } from './mesh-options.ts'
import { validityConditions, warningConditions } from './object-conditions.ts'
import type { ObjectWarnings } from './object-warnings.ts'
import type { NetworkGateway } from './networks/network-gateway.ts'
import { type NetworkState, networkState } from './networks/network-state.ts'
import { type PlaceState, placeState } from './places/place-state.ts'
import type { PodFacts } from './pods/pod-facts.ts'
import { podAddresses, type PodState, podState } from './pods/pod-state.ts'
import { type PolicyState, policyState } from './policies/policy-state.ts'
import { type RemoteState, remoteState } from './remote/remote-state.ts'
import { type KubeServices, kubeServices, serviceAddresses } from './services/kube-services.ts'
import { type Membership, membership } from './services/membership.ts'
import { sliceAddresses } from './services/slice-addresses.ts'
import { type SliceFacts, sliceFacts } from './services/slice-facts.ts'
import { implicitPolicies, type WorkloadPolicies } from './waypoints/implicit-policies.ts'
import { entryWaypoints } from './waypoints/service-waypoints.ts'
import { wantedRecords } from './waypoints/wanted-records.ts'
import type { WaypointRecord } from './waypoints/waypoint-records.ts'
import type { Waypoint } from './waypoints/waypoint.ts'
import { type WaypointState, waypointState } from './waypoints/waypoint-state.ts'
import { type WaypointBindings, waypointBindings } from './waypoints/waypoint-bindings.ts'
import { waypointConditions } from './waypoints/waypoint-status.ts'
import { type StatusState, statusState } from './status-state.ts'
import type { Validated } from './validated.ts'
import { warningState } from './warning-state.ts'

/** Everything istiod knows, and what follows from it; objects go in, resources come out. */
export interface MeshState {
  readonly graph: CollectionGraph
  /** Objects by kind, each under `namespace/name` or `name`. */
  readonly inputs: ReadonlyMap<KindName, InputCollection<KubeObject>>
  /** The same of the mesh's other clusters, each object under `clusterPrefix` and its key. */
  readonly remoteInputs: MeshInputs['remote']
  /** The mesh's configuration, when there is one. */
  readonly config: Collection<MeshConfig>
  readonly pods: Collection<PodFacts>
  /** Pods that are not over, under `namespace/serviceAccount@node`. */
  readonly podsByAccountAndNode: CollectionIndex<PodFacts>
  /** EndpointSlices of Services. */
  readonly slices: Collection<SliceFacts>
  /** Under the names they have on the wire. */
  readonly addresses: Collection<Address>
  /** Which virtual IPs the ServiceEntries have and want, under `namespace/name`. */
  readonly addressClaims: Collection<AddressClaim>
  /** What objects say that is not, or not wholly, done; under what `describeRef` names the object. */
  readonly warnings: Collection<ObjectWarnings>
  /** Under `namespace/name`. */
  readonly policies: Collection<AuthorizationPolicy>
  readonly status: StatusState
  /** How other networks are reached. */
  readonly networkGateways: Collection<NetworkGateway>
  /** Under `namespace/name`. */
  readonly waypoints: Collection<Waypoint>
  /** What is remembered of waypoints, and what should be. */
  readonly waypointRecords: {
    readonly written: Collection<WaypointRecord>
    readonly wanted: Collection<WaypointRecord>
  }
}

/** What the addresses are made from, each made from those before it. */
interface MeshParts {
  readonly config: ConfigState
  readonly places: PlaceState
  readonly networks: NetworkState
  readonly policies: PolicyState
  readonly waypoints: WaypointState
  readonly services: KubeServices
  readonly entries: ReturnType<typeof entryState>
  readonly remote: RemoteState
  readonly slices: Collection<SliceFacts>
  readonly membership: Membership
  readonly pods: PodState
  readonly workloads: Validated<EndpointFacts>
  readonly bindings: WaypointBindings
}

/**
 * Puts the parts together. What a part derives is in its own folder.
 *
 * @param onFault Told of each object that cannot be used; see `CollectionGraph` for what stays in force.
 */
export function meshState(mesh: MeshOptions, onFault: (fault: Fault) => void): MeshState {
  const graph = new CollectionGraph(onFault)
  const inputs = meshInputs(graph, mesh)
  const parts = meshParts(inputs)
  const { config, policies, waypoints, entries, pods, bindings } = parts
  const implicit = implicitPolicies(inputs, { ...parts, pods: pods.facts })
  const addresses = allAddresses(inputs, parts, implicit)
  const conditions = waypointConditions(inputs, {
    config,
    policies,
    waypoints,
    bindings,
    entryFacts: entries.facts,
  })
  const warnings = warningState(inputs, { ...parts, workloads: parts.workloads.inForce })
  return {
    graph,
    inputs: inputs.byKind,
    remoteInputs: inputs.remote,
    config: config.current,
    pods: pods.facts,
    podsByAccountAndNode: pods.byAccountAndNode,
    slices: parts.slices,
    addresses,
    addressClaims: addressClaims(inputs, config),
    warnings,
    policies: graph.union('policies', [policies.all, implicit.all]),
    status: statusState(inputs, config, [
      ...policies.conditions,
      ...conditions,
      ...objectConditions(inputs, parts, warnings),
    ]),
    networkGateways: parts.networks.gateways,
    waypoints: waypoints.all,
    waypointRecords: {
      written: waypoints.records,
      wanted: wantedRecords(inputs, { waypoints, config, pods: pods.facts }),
    },
  }
}

/** What is said of objects that cannot be read, or that ask for what is not done. */
function objectConditions(
  { graph, of }: MeshInputs,
  { config: { own }, entries, workloads, waypoints }: MeshParts,
  warnings: Collection<ObjectWarnings>,
): readonly Collection<ObjectConditions>[] {
  return [
    validityConditions(graph, own.ServiceEntry, entries.objects),
    validityConditions(graph, own.WorkloadEntry, workloads),
    validityConditions(graph, of('Gateway'), waypoints.gateways),
    ...[of('Service'), own.ServiceEntry, own.WorkloadEntry].map((objects) =>
      warningConditions(graph, objects, warnings),
    ),
  ]
}

function meshParts(inputs: MeshInputs): MeshParts {
  const { graph } = inputs
  const config = configState(inputs)
  const places = placeState(inputs)
  const networks = networkState(inputs, places)
  const policies = policyState(inputs, config)
  const waypoints = waypointState(inputs, { places, l7: policies.l7 })
  const services = kubeServices(inputs, config)
  const entryBindings = entryWaypoints(inputs, { config, waypoints })
  const entries = entryState(inputs, { config, places, kubeServices: services, waypoints: entryBindings })
  const slices = graph.derive('endpoint slices', inputs.of('EndpointSlice'), sliceFacts)
  const ownServices = graph.union('all service facts', [services.facts, entries.services])
  const remote = remoteState(inputs, { config, places, policies, networks, ownServices })
  const members = membership({
    services: ownServices,
    named: ({ namespace, name }, fetch) => services.named(namespace, name, fetch),
    slices,
  })
  const pods = podState(inputs)
  const workloads = workloadEntries(inputs, config)
  const bindings = waypointBindings(inputs, {
    waypoints,
    entryBindings,
    pods: pods.facts,
    workloadEntries: workloads.inForce,
    slices,
    membership: members,
    kubeServices: services,
  })
  return {
    config,
    places,
    networks,
    policies,
    waypoints,
    services,
    entries,
    remote,
    slices,
    membership: members,
    pods,
    workloads,
    bindings,
  }
}

function allAddresses(inputs: MeshInputs, parts: MeshParts, policies: WorkloadPolicies): Collection<Address> {
  const { places, config, networks, remote, services, entries, slices, bindings, workloads } = parts
  const around = { ...parts, policies }
  return inputs.graph.union<Address>('addresses', [
    podAddresses(inputs, parts.pods, around),
    workloadEntryAddresses(inputs, workloads.inForce, { ...around, bindings: bindings.workloadEntries }),
    inlineAddresses(inputs, entries, around),
    sliceAddresses(inputs, slices, { kubeServices: services, places }),
    serviceAddresses(inputs, services, { places, config, remote, waypoints: bindings.services }),
    entries.addresses,
    networks.addresses,
    remote.addresses,
  ])
}
