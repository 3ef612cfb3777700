import { describeRef, KubeError, type KubeObject, refOf } from '@ambient/kube'

/** @throws {KubeError} `OBJECT_INVALID`, always. */
export function invalidObject(object: KubeObject, problem: string): never {
  throw new KubeError('OBJECT_INVALID', `Cannot use ${describeRef(refOf(object))}: ${problem}`)
}
