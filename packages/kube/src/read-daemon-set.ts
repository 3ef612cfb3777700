import type { Field } from './field.ts'
import { fieldsOf } from './kube-object.ts'
import type { KubeObject } from './kube-object.ts'
import { includesLabels } from './label-selector.ts'

export type NodeOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt'

export interface NodeRequirement {
  readonly of: 'label' | 'name'
  readonly key: string
  readonly operator: NodeOperator
  readonly values: readonly string[]
}

/** On which nodes a DaemonSet has pods: all labels of `nodeSelector`, and one of `terms` where there are any. */
export interface DaemonSetFacts {
  readonly isDeleted: boolean
  readonly nodeSelector: Readonly<Record<string, string>>
  /** All requirements of one must hold; one without any selects nothing. */
  readonly terms: readonly (readonly NodeRequirement[])[] | undefined
}

export interface NodeNames {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

const OPERATORS: readonly NodeOperator[] = ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']

/** @throws {KubeError} `OBJECT_INVALID` naming DaemonSet and field. */
export function readDaemonSet(object: KubeObject): DaemonSetFacts {
  const spec = fieldsOf(object).get('spec').get('template').get('spec')
  const required = spec
    .get('affinity')
    .get('nodeAffinity')
    .get('requiredDuringSchedulingIgnoredDuringExecution')
  return {
    isDeleted: object.metadata.deletionTimestamp !== undefined,
    nodeSelector: spec.get('nodeSelector').textMap(),
    terms: required.isAbsent ? undefined : required.get('nodeSelectorTerms').list().map(readTerm),
  }
}

/** Whether the DaemonSet's own rules still put a pod on the node; taints are not looked at. */
export function selectsNode({ nodeSelector, terms }: DaemonSetFacts, node: NodeNames): boolean {
  if (!includesLabels(node.labels, nodeSelector)) return false
  return (
    terms === undefined ||
    terms.some((term) => term.length > 0 && term.every((requirement) => meets(requirement, node)))
  )
}

function readTerm(term: Field): readonly NodeRequirement[] {
  return [
    ...term
      .get('matchExpressions')
      .list()
      .map((field) => readRequirement(field, 'label')),
    ...term
      .get('matchFields')
      .list()
      .map((field) => readRequirement(field, 'name')),
  ]
}

function readRequirement(field: Field, of: NodeRequirement['of']): NodeRequirement {
  const key = field.get('key').requiredText()
  if (of === 'name' && key !== 'metadata.name') throw field.get('key').invalid('must be metadata.name')
  const text = field.get('operator').requiredText()
  const operator = OPERATORS.find((known) => known === text)
  if (operator === undefined) throw field.get('operator').invalid(`must be one of ${OPERATORS.join(', ')}`)
  return { of, key, operator, values: field.get('values').texts() }
}

function meets({ of, key, operator, values }: NodeRequirement, node: NodeNames): boolean {
  const label = Object.hasOwn(node.labels, key) ? node.labels[key] : undefined
  const value = of === 'name' ? node.name : label
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return Number(value) > Number(values[0])
    case 'Lt':
      return Number(value) < Number(values[0])
  }
}
