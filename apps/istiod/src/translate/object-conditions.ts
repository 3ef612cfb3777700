import { type Collection, type CollectionGraph, equalPlain } from '@ambient/collections'
import { describeRef, type KubeObject, refOf } from '@ambient/kube'
import { type Condition, conditionsOf, type ObjectConditions } from './conditions.ts'
import type { ObjectWarnings } from './object-warnings.ts'
import type { Validated } from './validated.ts'

/** A message must fit in a status; who is told this much has enough to do. */
const MAX_TOLD = 16

/** What is said of objects of one kind that cannot be read; nothing of those that can. */
export function validityConditions<V>(
  graph: CollectionGraph,
  objects: Collection<KubeObject>,
  { readings, inForce }: Validated<V>,
): Collection<ObjectConditions> {
  return graph.deriveMany<KubeObject, ObjectConditions>(
    `${inForce.name} validity`,
    objects,
    (object, fetch, key) => {
      const reading = fetch.get(readings, key)
      if (reading?.kind !== 'bad') return new Map()
      const isClosed = equalPlain(fetch.get(inForce, key), reading.closed)
      const consequence = isClosed ? 'nothing of it is in force' : 'its last good version stays in force'
      const message = `${reading.problem}; ${consequence} until it is corrected`
      return conditionsOf(object, 'istio-ambient-validation', [
        { type: 'istio.io/Valid', status: 'False', reason: 'Invalid', message },
      ])
    },
  )
}

/** What is said of objects of one kind that ask for something that is not done. */
export function warningConditions(
  graph: CollectionGraph,
  objects: Collection<KubeObject>,
  warnings: Collection<ObjectWarnings>,
): Collection<ObjectConditions> {
  return graph.deriveMany<KubeObject, ObjectConditions>(
    `${objects.name} warnings said`,
    objects,
    (object, fetch) => {
      const found = fetch.get(warnings, describeRef(refOf(object)))
      return conditionsOf(object, 'istio-ambient-warnings', found === undefined ? [] : [warning(found)])
    },
  )
}

function warning({ warnings }: ObjectWarnings): Condition {
  const told = warnings.slice(0, MAX_TOLD).map(({ message }) => message)
  const rest = warnings.length > MAX_TOLD ? [`and ${warnings.length - MAX_TOLD} more`] : []
  const reason = warnings[0]?.reason ?? 'FIELD_IGNORED'
  return { type: 'istio.io/Warnings', status: 'True', reason, message: [...told, ...rest].join('. ') }
}
