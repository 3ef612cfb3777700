import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { InputCollection } from '@ambient/collections'
import { type KubeObject, objectKey, objectsFromYaml } from '@ambient/kube'
import { clusterPrefix, remoteKinds } from '../src/translate/mesh-inputs.ts'
import type { MeshState } from '../src/translate/mesh-state.ts'

/** Where the golden cases are. */
export const GOLDENS: string = join(import.meta.dirname, '..', 'src', 'translate', 'testdata')

/** Annotation of an object that is in another cluster. */
const CLUSTER = 'test/cluster'

/** Names of the golden cases. */
export function goldenCases(): readonly string[] {
  return readdirSync(GOLDENS).flatMap((name) => (name.endsWith('.in.yaml') ? [name.slice(0, -8)] : []))
}

export function goldenInput(name: string): string {
  return readFileSync(join(GOLDENS, `${name}.in.yaml`), 'utf8')
}

export function goldenObjects(name: string): readonly KubeObject[] {
  return objectsFromYaml(goldenInput(name))
}

/** Where an object of a golden case belongs: to our own cluster, or to the one that its annotation names. */
export function placeIn(
  state: MeshState,
  object: KubeObject,
): { readonly input: InputCollection<KubeObject>; readonly key: string } {
  const { [CLUSTER]: cluster } = object.metadata.annotations
  const key = objectKey(object.metadata)
  if (cluster === undefined) {
    const input = state.inputs.get(object.kind)
    if (input !== undefined) return { input, key }
  }
  const kind = remoteKinds.find((each) => each === object.kind)
  if (kind === undefined) throw new Error(`${object.kind} is not read of that cluster`)
  return { input: state.remoteInputs[kind], key: `${clusterPrefix(cluster ?? '')}${key}` }
}
