import type { LabelRequirement, LabelSelector } from '../label-selector.ts'
import type { ObjectRef } from '../kube-object.ts'
import { type KindName, resourceKinds } from '../resource-kinds.ts'
import type { ListOptions } from '../resource-source.ts'

/** The path of all objects of a kind, or of one namespace's. */
export function collectionPath(kind: KindName, namespace?: string): string {
  const { group, version, plural, namespaced } = resourceKinds[kind]
  const api = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
  const within = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${api}${within}/${plural}`
}

export function objectPath(ref: ObjectRef, subresource?: 'status'): string {
  const path = `${collectionPath(ref.kind, ref.namespace)}/${encodeURIComponent(ref.name)}`
  return subresource === undefined ? path : `${path}/${subresource}`
}

/** The query that asks the API server for what `options` ask of any source. */
export function selectorQuery(options: ListOptions): Readonly<Record<string, string>> {
  const fields = Object.entries(options.fieldSelector ?? {}).map(([path, value]) => `${path}=${value}`)
  const labels = options.labelSelector === undefined ? '' : labelSelectorText(options.labelSelector)
  return {
    ...(fields.length === 0 ? {} : { fieldSelector: fields.join(',') }),
    ...(labels === '' ? {} : { labelSelector: labels }),
  }
}

/** @see Kubernetes API concepts, label selectors */
function labelSelectorText({ matchLabels, matchExpressions }: LabelSelector): string {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(requirementText),
  ].join(',')
}

function requirementText(requirement: LabelRequirement): string {
  switch (requirement.operator) {
    case 'In':
      return `${requirement.key} in (${requirement.values.join(',')})`
    case 'NotIn':
      return `${requirement.key} notin (${requirement.values.join(',')})`
    case 'Exists':
      return requirement.key
    case 'DoesNotExist':
      return `!${requirement.key}`
  }
}
