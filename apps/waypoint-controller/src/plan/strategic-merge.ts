import { isRecord } from '@ambient/kube'

/**
 * By which member the items of a list of objects are one and the same, as the API's types say (`patchMergeKey`); other
 * lists are replaced. Only lists that occur in what an overlay can change.
 *
 * @see Kubernetes, "Update API Objects in Place Using kubectl patch", strategic merge patch
 */
const MERGE_KEYS: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  volumes: ['name'],
  env: ['name'],
  volumeMounts: ['mountPath'],
  imagePullSecrets: ['name'],
  topologySpreadConstraints: ['topologyKey'],
  hostAliases: ['ip'],
  ports: ['containerPort', 'port'],
}

/** Says what is done with what stands beside it: `delete`, or `replace` instead of merging. */
const DIRECTIVE = '$patch'

/**
 * Lays `patch` over `base`, as `kubectl patch --type strategic` does: maps are merged, null takes a member away, lists of
 * objects are merged by their key, other lists are replaced. Neither is changed.
 */
export function strategicMerge(base: unknown, patch: unknown, name = ''): unknown {
  if (isList(base) && isList(patch)) return mergeLists(base, patch, name)
  if (!isRecord(patch)) return patch
  const { [DIRECTIVE]: directive, ...members } = patch
  const merged: Record<string, unknown> = isRecord(base) && directive !== 'replace' ? { ...base } : {}
  for (const [key, value] of Object.entries(members)) {
    if (value === null) delete merged[key]
    else merged[key] = strategicMerge(Object.hasOwn(merged, key) ? merged[key] : undefined, value, key)
  }
  return merged
}

function mergeLists(base: readonly unknown[], patch: readonly unknown[], name: string): readonly unknown[] {
  const keyName = MERGE_KEYS[name]?.find((key) => patch.some((item) => isRecord(item) && key in item))
  if (keyName === undefined) return patch
  const keyOf = (item: unknown): unknown => (isRecord(item) ? item[keyName] : undefined)
  const merged = [...base]
  for (const item of patch) {
    const at = merged.findIndex((each) => keyOf(each) === keyOf(item))
    if (isRecord(item) && item[DIRECTIVE] === 'delete') {
      if (at >= 0) merged.splice(at, 1)
    } else if (at < 0) merged.push(strategicMerge(undefined, item))
    else merged[at] = strategicMerge(merged[at], item)
  }
  return merged
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}
