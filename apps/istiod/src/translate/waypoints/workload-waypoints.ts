import type { Collection, Fetch } from '@ambient/collections'
import type { KubeObject } from '@ambient/kube'
import type { ApplicationTunnel } from '@ambient/model'
import { conditionsOf, type ObjectConditions } from '../conditions.ts'
import type { EndpointFacts } from '../entries/endpoint-facts.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { Labelled } from '../policies/policy-state.ts'
import { isManagedGateway } from './service-waypoints.ts'
import type { Waypoint } from './waypoint.ts'
import type { WaypointBinding } from './waypoint-binding.ts'
import { boundCondition } from './waypoint-conditions.ts'
import type { WaypointState } from './waypoint-state.ts'
import { waypointWishes } from './waypoint-wishes.ts'

/** On the pods of a Gateway, its name. */
export const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name'

/** A pod or a WorkloadEntry, or an endpoint of a ServiceEntry. */
export interface WaypointWorkload extends Labelled {
  readonly kind: 'Pod' | 'WorkloadEntry'
  readonly name: string
  readonly serviceAccount: string
}

/** The waypoint of what is sent to a workload by its own address. A waypoint's own pods have none. */
export function workloadBinding(
  workload: WaypointWorkload,
  waypoints: WaypointState,
  fetch: Fetch,
): WaypointBinding {
  const { kind, namespace, name, labels, serviceAccount } = workload
  const waypoint = waypoints.ofAccount(namespace, serviceAccount, fetch)
  return waypoints.bind(
    {
      kind,
      namespace,
      name,
      isGateway: isManagedGateway(labels) || gatewayOf(workload, waypoints, fetch) !== undefined,
      isPrivate: false,
      own: waypointWishes({ labels }),
      account: waypoint === undefined ? { kind: 'none' } : { kind: 'one', waypoint },
    },
    fetch,
  )
}

/** Of a waypoint's own pod, how its node proxy hands it connections. */
export function inboundBinding(
  workload: Labelled,
  waypoints: WaypointState,
  fetch: Fetch,
): ApplicationTunnel | undefined {
  return gatewayOf(workload, waypoints, fetch)?.inboundBinding
}

function gatewayOf(
  { namespace, labels }: Labelled,
  waypoints: WaypointState,
  fetch: Fetch,
): Waypoint | undefined {
  const gateway = labels[GATEWAY_NAME]
  return gateway === undefined ? undefined : fetch.get(waypoints.all, `${namespace}/${gateway}`)
}

/** Of each WorkloadEntry, under `namespace/name`. */
export function workloadEntryWaypoints(
  { graph }: MeshInputs,
  entries: Collection<EndpointFacts>,
  waypoints: WaypointState,
): Collection<WaypointBinding> {
  return graph.derive('workload entry waypoints', entries, (entry, fetch) =>
    endpointBinding(entry, waypoints, fetch),
  )
}

/** The waypoint of a WorkloadEntry, or of an endpoint inside a ServiceEntry. */
export function endpointBinding(
  { namespace, name, waypointLabels: labels, serviceAccount }: EndpointFacts,
  waypoints: WaypointState,
  fetch: Fetch,
): WaypointBinding {
  return workloadBinding({ kind: 'WorkloadEntry', namespace, name, labels, serviceAccount }, waypoints, fetch)
}

/** What is said of the waypoints of WorkloadEntries. */
export function workloadEntryConditions(
  { graph }: MeshInputs,
  objects: Collection<KubeObject>,
  bindings: Collection<WaypointBinding>,
): Collection<ObjectConditions> {
  return graph.deriveMany<KubeObject, ObjectConditions>(
    'workload entry status',
    objects,
    (object, fetch, key) =>
      conditionsOf(object, 'istio-ambient-workloadentry', boundCondition(fetch.get(bindings, key))),
  )
}
