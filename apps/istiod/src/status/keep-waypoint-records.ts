import { type Collection, equalPlain } from '@ambient/collections'
import { apiVersionOf, type Manifest, type ObjectRef, type ResourceWriter } from '@ambient/kube'
import type { Clock } from '@ambient/lifecycle'
import {
  WAYPOINT_RECORDS_NAME,
  type WaypointRecord,
  writeWaypointRecords,
} from '../translate/waypoints/waypoint-records.ts'
import { STATUS_LIMITS } from './status-limits.ts'
import type { WriteOutcome } from './write-statuses.ts'

export interface RecordDeps {
  /** As they are written down now. */
  readonly records: Collection<WaypointRecord>
  /** As they should be. */
  readonly wanted: Collection<WaypointRecord>
  readonly systemNamespace: string
  readonly writer: Pick<ResourceWriter, 'apply'>
  readonly clock: Clock
  readonly onWrite: (outcome: WriteOutcome) => void
}

const OWNER = 'istio-ambient-waypoints'

/** Keeps what is remembered of waypoints written down, until `signal` aborts; what is there already is not written. */
export async function keepWaypointRecords(deps: RecordDeps, signal: AbortSignal): Promise<void> {
  const { records, wanted, clock } = deps
  let wake = Promise.withResolvers<void>()
  const mark = (): void => wake.resolve()
  const stops = [records.onChange(mark), wanted.onChange(mark)]
  signal.addEventListener('abort', mark)
  let failures = 0
  while (!signal.aborted) {
    const isDone = isSame(records, wanted) || (await write(deps, failures))
    failures = isDone ? 0 : failures + 1
    if (isDone || failures >= STATUS_LIMITS.attempts.value) {
      failures = 0
      await wake.promise
      wake = Promise.withResolvers()
    } else await clock.sleep(STATUS_LIMITS.retryMs.value * 2 ** (failures - 1), signal).catch(() => {}) // ends
  }
  signal.removeEventListener('abort', mark)
  for (const stop of stops) stop()
}

/** @returns whether it was written; then it is read again before anything else changes. */
async function write(deps: RecordDeps, failures: number): Promise<boolean> {
  const { wanted, systemNamespace: namespace, writer, onWrite } = deps
  const ref: ObjectRef = { kind: 'ConfigMap', namespace, name: WAYPOINT_RECORDS_NAME }
  const manifest: Manifest = {
    apiVersion: apiVersionOf('ConfigMap'),
    kind: 'ConfigMap',
    metadata: { namespace, name: WAYPOINT_RECORDS_NAME },
    data: writeWaypointRecords(sortedValues(wanted)),
  }
  try {
    await writer.apply(manifest, { owner: OWNER })
    onWrite({ kind: 'written', ref })
    return true
  } catch (cause) {
    const isLast = failures + 1 >= STATUS_LIMITS.attempts.value
    onWrite({ kind: isLast ? 'given-up' : 'failed', ref, cause })
    return false
  }
}

function isSame(a: Collection<WaypointRecord>, b: Collection<WaypointRecord>): boolean {
  return equalPlain(Object.fromEntries(a.entries()), Object.fromEntries(b.entries()))
}

function sortedValues(records: Collection<WaypointRecord>): readonly WaypointRecord[] {
  return [...records.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record)
}
