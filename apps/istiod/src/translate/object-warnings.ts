import type { Collection, CollectionGraph, Fetch } from '@ambient/collections'
import { describeRef, type KindName, type KubeObject, type ObjectRef, refOf } from '@ambient/kube'
import type { ReasonCode } from '@ambient/telemetry'
import { compatibilityTables } from '../compatibility/all-tables.ts'
import { fieldsWithoutEffect } from '../compatibility/fields-without-effect.ts'

/** Something that an object says and that is not, or not wholly, done. */
export interface ObjectWarning {
  readonly reason: ReasonCode
  readonly message: string
}

export interface ObjectWarnings {
  readonly ref: ObjectRef
  readonly warnings: readonly ObjectWarning[]
}

/** What a kind's own part has to say besides what its compatibility table knows. */
export type OwnWarnings = (object: KubeObject, fetch: Fetch, key: string) => readonly ObjectWarning[]

/**
 * The warnings of every object of one kind, under what `describeRef` names it.
 *
 * @param objects Those of this control plane.
 */
export function objectWarnings(
  graph: CollectionGraph,
  kind: KindName,
  objects: Collection<KubeObject>,
  own: OwnWarnings,
): Collection<ObjectWarnings> {
  const tables = compatibilityTables.filter((table) => table.kind === kind)
  return graph.deriveMany<KubeObject, ObjectWarnings>(`${kind} warnings`, objects, (object, fetch, key) => {
    const ref = refOf(object)
    const fields = tables.flatMap((table) => fieldsWithoutEffect(object, table))
    const warnings = [
      ...own(object, fetch, key),
      ...fields.map(({ place, because }): ObjectWarning => ({
        reason: 'FIELD_IGNORED',
        message: `${place} has no effect: ${because}`,
      })),
    ]
    return new Map(warnings.length === 0 ? [] : [[describeRef(ref), { ref, warnings }]])
  })
}
