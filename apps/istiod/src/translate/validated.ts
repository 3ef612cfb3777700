import type { Collection, CollectionGraph } from '@ambient/collections'
import { KubeError, type KubeObject } from '@ambient/kube'

/** What the reading of one object gave. */
export type Reading<V> =
  | { readonly kind: 'good'; readonly value: V }
  /** `closed` stands in for it if no earlier version could be read; undefined when nothing has to. */
  | { readonly kind: 'bad'; readonly problem: string; readonly closed: V | undefined }

export interface Validated<V> {
  /** What each object says now. */
  readonly readings: Collection<Reading<V>>
  /** What counts: the last good version, or if there never was one, what stands in for it. */
  readonly inForce: Collection<V>
}

export interface ValidatedParts<V> {
  readonly name: string
  readonly objects: Collection<KubeObject>
  /** @throws {KubeError} `OBJECT_INVALID` */
  readonly read: (object: KubeObject) => V
  /** What stands in for an object that never could be read: something that opens nothing. */
  readonly closed: (object: KubeObject, problem: string) => V | undefined
}

/** Reads every object of a kind once; each one that cannot be read is a fault of the graph. */
export function validated<V>(
  graph: CollectionGraph,
  { name, objects, read, closed }: ValidatedParts<V>,
): Validated<V> {
  const readings = graph.derive<KubeObject, Reading<V>>(`${name} read`, objects, (object) => {
    try {
      return { kind: 'good', value: read(object) }
    } catch (cause) {
      if (!(cause instanceof KubeError)) throw cause
      return { kind: 'bad', problem: cause.message, closed: closed(object, cause.message) }
    }
  })
  const inForce = graph.derive<Reading<V>, V>(
    name,
    readings,
    (reading) => {
      if (reading.kind === 'good') return reading.value
      throw new KubeError('OBJECT_INVALID', reading.problem)
    },
    { fallback: (reading) => (reading.kind === 'bad' ? reading.closed : undefined) },
  )
  return { readings, inForce }
}
