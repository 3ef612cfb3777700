import type { Collection, CollectionIndex, Fetch } from '@ambient/collections'
import type { KubeObject } from '@ambient/kube'
import type { ConfigState } from '../config/config-state.ts'
import type { MeshInputs } from '../mesh-inputs.ts'
import type { PodFacts } from '../pods/pod-facts.ts'
import type { Waypoint } from './waypoint.ts'
import { recordOf, type WaypointRecord } from './waypoint-records.ts'
import type { WaypointState } from './waypoint-state.ts'
import { waypointKey, type WaypointWishes, waypointWishes, wishedWaypoint } from './waypoint-wishes.ts'

export interface RecordSources {
  readonly waypoints: WaypointState
  readonly config: ConfigState
  readonly pods: Collection<PodFacts>
}

/**
 * What should be remembered of waypoints: of each that is ready and that somebody refers to, and of each that was until
 * nobody refers to it any more.
 */
export function wantedRecords(inputs: MeshInputs, sources: RecordSources): Collection<WaypointRecord> {
  const { records, all } = sources.waypoints
  const isReferredTo = references(inputs, sources)
  return inputs.graph.derive<Waypoint, WaypointRecord>(
    'wanted waypoint records',
    all,
    (waypoint, fetch, key) => {
      if (waypoint.forServiceAccount === undefined && !isReferredTo(key, fetch)) return undefined
      return waypoint.address === undefined ? fetch.get(records, key) : recordOf(waypoint)
    },
  )
}

/** Whether a label anywhere names the waypoint. */
function references(
  { of }: MeshInputs,
  { waypoints, config, pods }: RecordSources,
): (key: string, fetch: Fetch) => boolean {
  const byLabel = ({ metadata }: KubeObject): readonly string[] =>
    namedWaypoints(waypointWishes(metadata), metadata.namespace ?? '')
  const objects = [of('Service'), config.own.ServiceEntry, config.own.WorkloadEntry].map((collection) =>
    collection.index(byLabel),
  )
  const namespaces = waypoints.wishesOfNamespaces.index(namedWaypoints)
  const podsByName = pods.index((pod) => namedWaypoints(waypointWishes(pod), pod.namespace))
  const isIn = <T>(index: CollectionIndex<T>, key: string, fetch: Fetch): boolean =>
    fetch.find(index, key).length > 0
  return (key, fetch) =>
    isIn(namespaces, key, fetch) ||
    objects.some((index) => isIn(index, key, fetch)) ||
    isIn(podsByName, key, fetch)
}

function namedWaypoints(wishes: WaypointWishes, namespace: string): readonly string[] {
  const names = [
    wishedWaypoint(wishes.waypoint, wishes.waypointNamespace, namespace),
    wishedWaypoint(wishes.canary, wishes.canaryNamespace, namespace),
  ]
  return names.flatMap((name) => (name === undefined || name === 'none' ? [] : [waypointKey(name)]))
}
