import { fieldsOf, fieldsOfYaml, KubeError, type KubeObject } from '@ambient/kube'
import { settingsWithoutEffect } from '../../compatibility/fields-without-effect.ts'
import { MESH_CONFIG_COMPATIBILITY } from '../../compatibility/mesh-config-compatibility.ts'
import type { MeshOptions } from '../mesh-options.ts'
import type { OwnWarnings } from '../object-warnings.ts'
import { MESH_CONFIG_NAME } from './mesh-config.ts'

/** Settings of the mesh that ask for something nobody does. */
export function meshConfigWarnings({ systemNamespace }: Pick<MeshOptions, 'systemNamespace'>): OwnWarnings {
  return (object, _fetch, key) => {
    if (key !== `${systemNamespace}/${MESH_CONFIG_NAME}`) return []
    const settings = settingsIn(object)
    return MESH_CONFIG_COMPATIBILITY.flatMap(({ fields }) =>
      settingsWithoutEffect(settings, fields).map(({ place, because }) => ({
        reason: 'FIELD_IGNORED',
        message: `data.mesh: ${place} has no effect: ${because}`,
      })),
    )
  }
}

/** None of one that cannot be read: that is a fault, and told as one. */
function settingsIn(object: KubeObject): unknown {
  try {
    const text = fieldsOf(object).get('data').get('mesh').text() ?? ''
    return fieldsOfYaml('mesh config', text).record()
  } catch (cause) {
    if (cause instanceof KubeError) return {}
    throw cause
  }
}
