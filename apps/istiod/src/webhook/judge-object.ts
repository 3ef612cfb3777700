import { errorText } from '@ambient/lifecycle'
import { type KubeObject, objectKey } from '@ambient/kube'
import type { MeshOptions } from '../translate/mesh-options.ts'
import { meshState } from '../translate/mesh-state.ts'

/** What there is to say of an object before the API server keeps it. */
export interface Judgement {
  /** Why it cannot be used; undefined when it can. */
  readonly problem: string | undefined
  /** What of it will have no effect. */
  readonly warnings: readonly string[]
}

/** The reason of conditions that hold whatever else there is in the mesh; all others are for the object's status. */
const ABOUT_THE_OBJECT_ALONE = 'UnsupportedValue'

/**
 * Judges an object by what becomes of it in a mesh that has nothing else: what is a fault there would be one when the
 * object is read from the API server. Pure.
 *
 * @param object Not judged if it is labelled for another control plane.
 */
export function judgeObject(object: KubeObject, mesh: MeshOptions): Judgement {
  const problems: string[] = []
  const { graph, inputs, warnings, status } = meshState(mesh, ({ cause }) => problems.push(errorText(cause)))
  graph.transaction(() => inputs.get(object.kind)?.set(objectKey(object.metadata), object))
  const ignored = [...warnings.entries()].flatMap(([, each]) => each.warnings.map(({ message }) => message))
  const unsupported = [...status.conditions.entries()].flatMap(([, { conditions }]) =>
    conditions.filter(({ reason }) => reason === ABOUT_THE_OBJECT_ALONE).map(({ message }) => message),
  )
  return { problem: problems[0], warnings: [...new Set([...ignored, ...unsupported])] }
}
