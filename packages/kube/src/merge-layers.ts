import { isList, isRecord } from './field.ts'
import type { UnknownRecord } from './field.ts'
import type { ObjectRef } from './kube-object.ts'

export const layerParts = ['object', 'annotations', 'labels', 'deletion', 'status'] as const
export type LayerPart = (typeof layerParts)[number]

/** What one owner has written about one object. */
export interface Layer {
  readonly part: LayerPart
  readonly owner: string
  readonly ref: ObjectRef
  /** Annotation values may be null, which takes away what lies below. */
  readonly value: UnknownRecord
}

/**
 * The object under all that was written about it, whole objects first, then by owner's name, so that every process
 * that reads the same directory sees the same. Pure.
 *
 * @returns undefined when there is no object: nothing in a user's file and none applied.
 */
export function mergeLayers(
  base: UnknownRecord | undefined,
  layers: readonly Layer[],
): UnknownRecord | undefined {
  const ordered = layers.toSorted(
    (a, b) => layerParts.indexOf(a.part) - layerParts.indexOf(b.part) || compareText(a.owner, b.owner),
  )
  let merged = base
  for (const layer of ordered) {
    if (layer.part === 'object') merged = merged === undefined ? layer.value : mergeMaps(merged, layer.value)
    else if (merged !== undefined) merged = mergeMaps(merged, patchOf(layer))
  }
  return merged
}

function patchOf(layer: Layer): UnknownRecord {
  if (layer.part === 'status') return { status: layer.value }
  return { metadata: layer.part === 'deletion' ? layer.value : { [layer.part]: layer.value } }
}

function mergeMaps(below: UnknownRecord, above: UnknownRecord): UnknownRecord {
  const merged: Record<string, unknown> = { ...below }
  for (const [name, value] of Object.entries(above)) {
    if (value === null) delete merged[name]
    else
      merged[name] =
        name === 'conditions' ? mergeConditions(merged[name], value) : mergeValues(merged[name], value)
  }
  return merged
}

function mergeValues(below: unknown, above: unknown): unknown {
  if (!isRecord(above)) return above
  return mergeMaps(isRecord(below) ? below : {}, above)
}

/** Conditions are a list keyed by `type`: each owner has its own. */
function mergeConditions(below: unknown, above: unknown): unknown {
  if (!isList(below) || !isList(above)) return above
  const types = new Set(above.map(conditionType))
  return [...below.filter((condition) => !types.has(conditionType(condition))), ...above]
}

function conditionType(condition: unknown): unknown {
  return isRecord(condition) ? condition['type'] : undefined
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
