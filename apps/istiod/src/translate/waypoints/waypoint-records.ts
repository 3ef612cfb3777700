import {
  describeRef,
  fieldsOf,
  fieldsOfYaml,
  type KubeObject,
  readAllowedNamespaces,
  refOf,
} from '@ambient/kube'
import { WAYPOINT_FOR } from './gateway-facts.ts'
import type { Waypoint, WaypointTerms } from './waypoint.ts'
import { waypointKey } from './waypoint-wishes.ts'

/**
 * What is remembered of a waypoint that connections were sent through, so that a reference to it means the same when it
 * is gone, also to an istiod that starts later.
 */
export interface WaypointRecord extends WaypointTerms {
  readonly namespace: string
  readonly name: string
}

/** Holds the records, in istiod's own namespace: each under `NAMESPACE.NAME`, since no namespace has a dot. */
export const WAYPOINT_RECORDS_NAME = 'istio-ambient-waypoints'

/** By waypoint. @throws {KubeError} `OBJECT_INVALID` or `YAML_INVALID`, naming the ConfigMap and the entry. */
export function readWaypointRecords(configMap: KubeObject): ReadonlyMap<string, WaypointRecord> {
  const data = fieldsOf(configMap).get('data')
  const records = Object.entries(data.textMap()).map(([entry, text]): WaypointRecord => {
    const dot = entry.indexOf('.')
    if (dot < 0) throw data.get(entry).invalid('must be under namespace.name')
    const fields = fieldsOfYaml(`${describeRef(refOf(configMap))} data.${entry}`, text)
    return {
      namespace: entry.slice(0, dot),
      name: entry.slice(dot + 1),
      className: fields.get('className').text() ?? '',
      waypointFor: fields.get('waypointFor').choice(WAYPOINT_FOR) ?? 'service',
      allowed: readAllowedNamespaces(fields.get('allowed')),
    }
  })
  return new Map(records.map((record) => [waypointKey(record), record]))
}

/** What `readWaypointRecords` reads. */
export function writeWaypointRecords(records: readonly WaypointRecord[]): Readonly<Record<string, string>> {
  const entries = records.map(({ namespace, name, className, waypointFor, allowed }): [string, string] => [
    `${namespace}.${name}`,
    JSON.stringify({ className, waypointFor, allowed }),
  ])
  return Object.fromEntries(entries)
}

export function recordOf({ namespace, name, className, waypointFor, allowed }: Waypoint): WaypointRecord {
  return { namespace, name, className, waypointFor, allowed }
}

/** A waypoint of which nothing is left but the record. */
export function goneWaypoint(record: WaypointRecord): Waypoint {
  return {
    ...record,
    createdAt: '',
    address: undefined,
    wasInForce: true,
    forServiceAccount: undefined,
    inboundBinding: undefined,
    problem: undefined,
  }
}
