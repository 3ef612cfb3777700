import { type Field, fieldsOf, type KubeObject } from '@ambient/kube'
import { type FieldManager, managedConditions, type ObjectConditions } from '../translate/conditions.ts'

/** A condition as it stands in a status. */
export interface WrittenCondition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
  /** RFC 3339, in whole seconds: when `status` was last another. */
  readonly lastTransitionTime: string
}

/** What one manager has to write to one object: all of its conditions, or none to take them away. */
export interface StatusWrite {
  readonly manager: FieldManager
  readonly conditions: readonly WrittenCondition[]
}

export interface ObservedObject {
  readonly object: KubeObject
  /** What a manager wrote, where the object as it was read does not show it yet. */
  readonly written: ReadonlyMap<FieldManager, readonly WrittenCondition[]>
}

/** Managers that may have something to say about objects of this kind. */
function managersOf(kind: KubeObject['kind']): readonly FieldManager[] {
  return managers.filter((manager) => managedConditions[manager].kinds.includes(kind))
}

const managers = Object.keys(managedConditions).filter(isFieldManager)

/**
 * What has to be written so that the object's status says what it should; nothing when it does. The time of a
 * condition stays the same as long as its status does, so that a plan that has been carried out is empty. Pure.
 */
export function planStatus(
  { object, written }: ObservedObject,
  desired: readonly ObjectConditions[],
  nowMs: number,
): readonly StatusWrite[] {
  return managersOf(object.kind).flatMap((manager) => {
    const before = written.get(manager) ?? observedConditions(object, managedConditions[manager].types)
    const wanted = desired.find((each) => each.manager === manager)
    const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z')
    const after = wanted === undefined ? [] : wantedConditions(wanted, before, now)
    return isSame(before, after) ? [] : [{ manager, conditions: after }]
  })
}

function wantedConditions(
  { conditions, generation }: ObjectConditions,
  before: readonly WrittenCondition[],
  now: string,
): readonly WrittenCondition[] {
  return conditions.map(({ type, status, reason, message }) => {
    const was = before.find((condition) => condition.type === type)
    const lastTransitionTime = was?.status === status ? was.lastTransitionTime : now
    return { type, status, reason, message, observedGeneration: generation, lastTransitionTime }
  })
}

/** Conditions may be written by anybody: one that cannot be read is one to be written anew. */
function observedConditions(object: KubeObject, types: readonly string[]): readonly WrittenCondition[] {
  try {
    const listed = fieldsOf(object).get('status').get('conditions').list()
    return listed.filter((field) => types.includes(field.get('type').text() ?? '')).map(readCondition)
  } catch {
    return []
  }
}

function readCondition(field: Field): WrittenCondition {
  const text = (name: string): string => field.get(name).text() ?? ''
  return {
    type: text('type'),
    status: text('status'),
    reason: text('reason'),
    message: text('message'),
    observedGeneration: field.get('observedGeneration').integer() ?? 0,
    lastTransitionTime: text('lastTransitionTime'),
  }
}

/** The order of conditions means nothing: two writers may have put them there. */
function isSame(a: readonly WrittenCondition[], b: readonly WrittenCondition[]): boolean {
  const text = (conditions: readonly WrittenCondition[]): string =>
    conditions
      .map((condition) => JSON.stringify(condition))
      .toSorted()
      .join('\n')
  return text(a) === text(b)
}

function isFieldManager(text: string): text is FieldManager {
  return Object.hasOwn(managedConditions, text)
}
