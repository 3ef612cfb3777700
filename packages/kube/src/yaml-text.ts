import { stringify } from 'yaml'
import { Field } from './field.ts'
import { describeRef, readObject } from './kube-object.ts'
import type { KubeObject } from './kube-object.ts'
import { parseYaml, readManifests } from './manifest-documents.ts'

/**
 * The objects of one YAML or JSON text, for tests and tools that have no directory: what the text does not say of its
 * metadata is made up, the same each time.
 *
 * @throws {KubeError} `YAML_INVALID` or `OBJECT_INVALID`
 */
export function objectsFromYaml(text: string): readonly KubeObject[] {
  return readManifests(text).documents.map(({ ref, value }) =>
    readObject(value, {
      uid: `uid of ${describeRef(ref)}`,
      creationTimestamp: '2026-01-01T00:00:00Z',
      resourceVersion: '1',
      generation: 1,
    }),
  )
}

/**
 * The settings in a YAML text that lies inside an object, as in a ConfigMap.
 *
 * @param of How messages shall name the text.
 * @throws {KubeError} `YAML_INVALID`, with line and column.
 */
export function fieldsOfYaml(of: string, text: string): Field {
  return new Field(of, parseYaml(text))
}

/** Plain data as YAML, members that are undefined left out. */
export function toYaml(value: unknown): string {
  return stringify(value, { lineWidth: 110, aliasDuplicateObjects: false })
}
