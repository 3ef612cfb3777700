import type { Field } from './field.ts'

export type LabelRequirement =
  | { readonly operator: 'In' | 'NotIn'; readonly key: string; readonly values: readonly string[] }
  | { readonly operator: 'Exists' | 'DoesNotExist'; readonly key: string }

/** All of it must hold. Empty selects everything, as in Kubernetes. */
export interface LabelSelector {
  readonly matchLabels: Readonly<Record<string, string>>
  readonly matchExpressions: readonly LabelRequirement[]
}

/** @returns The selector at `field`, or undefined when there is none. */
export function readLabelSelector(field: Field): LabelSelector | undefined {
  if (field.isAbsent) return undefined
  return {
    matchLabels: field.get('matchLabels').textMap(),
    matchExpressions: field.get('matchExpressions').list().map(readRequirement),
  }
}

export function selectsLabels(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  return (
    includesLabels(labels, selector.matchLabels) &&
    selector.matchExpressions.every((requirement) => meets(requirement, labels))
  )
}

/** Whether every label of `wanted` is among `labels` with the same value; an empty `wanted` always is. */
export function includesLabels(
  labels: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
}

function meets(requirement: LabelRequirement, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && requirement.values.includes(value)
    case 'NotIn':
      return value === undefined || !requirement.values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
  }
}

function readRequirement(field: Field): LabelRequirement {
  const key = field.get('key').requiredText()
  const operator = field.get('operator').requiredText()
  if (operator === 'Exists' || operator === 'DoesNotExist') return { operator, key }
  if (operator !== 'In' && operator !== 'NotIn') {
    throw field.get('operator').invalid('must be In, NotIn, Exists or DoesNotExist')
  }
  const values = field.get('values').texts()
  if (values.length === 0) throw field.get('values').invalid('must not be empty')
  return { operator, key, values }
}
