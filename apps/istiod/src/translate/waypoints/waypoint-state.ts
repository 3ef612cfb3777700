import type { Collection, CollectionIndex, Fetch } from '@ambient/collections'
import type { KubeObject } from '@ambient/kube'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { PlaceState } from '../places/place-state.ts'
import type { L7Attachment } from '../policies/l7-attachments.ts'
import { type Validated, validated } from '../validated.ts'
import { bindWaypoint } from './bind-waypoint.ts'
import {
  type GatewayClassFacts,
  gatewayClassFacts,
  type GatewayFacts,
  gatewayFacts,
  unreadableGateway,
} from './gateway-facts.ts'
import { type Waypoint, waypointOf } from './waypoint.ts'
import type { WaypointBinding, WaypointClient } from './waypoint-binding.ts'
import {
  goneWaypoint,
  readWaypointRecords,
  WAYPOINT_RECORDS_NAME,
  type WaypointRecord,
} from './waypoint-records.ts'
import {
  NO_WISHES,
  type WaypointName,
  waypointKey,
  type WaypointWishes,
  waypointWishes,
} from './waypoint-wishes.ts'

/** Waypoints, and who is bound to which. */
export interface WaypointState {
  /** Ready, not ready yet, or gone and remembered; under `namespace/name`. */
  readonly all: Collection<Waypoint>
  readonly gateways: Validated<GatewayFacts>
  readonly classes: Collection<GatewayClassFacts>
  readonly records: Collection<WaypointRecord>
  /** What the labels of namespaces say, under the namespace's name. */
  readonly wishesOfNamespaces: Collection<WaypointWishes>
  bind(client: Omit<WaypointClient, 'inherited'>, fetch: Fetch): WaypointBinding
  /** The waypoint that is for the workloads of one service account. */
  ofAccount(namespace: string, account: string, fetch: Fetch): WaypointName | undefined
  /** Whether any waypoint in the namespace is for one service account. */
  hasAccountWaypoints(namespace: string, fetch: Fetch): boolean
}

export interface WaypointStateSources {
  readonly places: PlaceState
  /** By target. */
  readonly l7: CollectionIndex<L7Attachment>
}

export function waypointState(inputs: MeshInputs, { places, l7 }: WaypointStateSources): WaypointState {
  const { graph, mesh, of } = inputs
  const classes = graph.derive('gateway classes', of('GatewayClass'), gatewayClassFacts)
  const recordsKey = `${mesh.systemNamespace}/${WAYPOINT_RECORDS_NAME}`
  const records = graph.deriveMany<KubeObject, WaypointRecord>(
    'waypoint records',
    of('ConfigMap'),
    (configMap, _fetch, key) => (key === recordsKey ? readWaypointRecords(configMap) : new Map()),
  )
  const gateways = validated<GatewayFacts>(graph, {
    name: 'gateways',
    objects: of('Gateway'),
    read: gatewayFacts,
    closed: unreadableGateway,
  })
  const all = waypoints(inputs, { gateways: gateways.inForce, classes, records, places })
  const byAccount = all.index((waypoint) =>
    waypoint.forServiceAccount === undefined ? [] : [`${waypoint.namespace}/${waypoint.forServiceAccount}`],
  )
  const accountsByNamespace = all.index((waypoint) =>
    waypoint.forServiceAccount === undefined ? [] : [waypoint.namespace],
  )
  const namespaces = of('Namespace')
  const wishesOfNamespaces = graph.derive('waypoint wishes of namespaces', namespaces, ({ metadata }) =>
    waypointWishes(metadata),
  )
  return {
    all,
    gateways,
    classes,
    records,
    wishesOfNamespaces,
    bind: (client, fetch) =>
      bindWaypoint(
        { ...client, inherited: fetch.get(wishesOfNamespaces, client.namespace) ?? NO_WISHES },
        {
          waypoint: (name) => fetch.get(all, waypointKey(name)),
          namespaceLabels: () => fetch.get(namespaces, client.namespace)?.metadata.labels ?? {},
          policyFor: (targets) => targets.flatMap((target) => fetch.find(l7, target))[0]?.policy,
        },
      ),
    ofAccount: (namespace, account, fetch) => oldest(fetch.find(byAccount, `${namespace}/${account}`)),
    hasAccountWaypoints: (namespace, fetch) => fetch.find(accountsByNamespace, namespace).length > 0,
  }
}

function waypoints(
  { graph }: MeshInputs,
  {
    gateways,
    classes,
    records,
    places,
  }: {
    readonly gateways: Collection<GatewayFacts>
    readonly classes: Collection<GatewayClassFacts>
    readonly records: Collection<WaypointRecord>
    readonly places: PlaceState
  },
): Collection<Waypoint> {
  const there = graph.derive<GatewayFacts, Waypoint>(
    'waypoints of gateways',
    gateways,
    (gateway, fetch, key) =>
      waypointOf(gateway, {
        gatewayClass: fetch.get(classes, gateway.className),
        network: places.network(fetch),
        wasInForce: fetch.get(records, key) !== undefined,
      }),
  )
  const remembered = graph.derive('remembered waypoints', records, goneWaypoint)
  return graph.union('waypoints', [there, remembered])
}

/** Of several waypoints for one account the oldest counts. */
function oldest(found: readonly Waypoint[]): WaypointName | undefined {
  const age = ({ createdAt, name }: Waypoint): string => `${createdAt} ${name}`
  return found.toSorted((a, b) => (age(a) < age(b) ? -1 : 1))[0]
}
