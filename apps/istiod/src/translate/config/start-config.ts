import type { ResourceSource } from '@ambient/kube'
import { MESH_CONFIG_NAME, type MeshConfig, NO_MESH_CONFIG, readMeshConfig } from './mesh-config.ts'

/**
 * The mesh's configuration as it is now. What is in it of trust domain and root namespace holds until istiod ends, since
 * certificates are made by it.
 *
 * @param namespace Where istiod runs.
 * @throws {KubeError} when it cannot be understood: nobody knows then what may be served.
 */
export async function startConfig(source: ResourceSource, namespace: string): Promise<MeshConfig> {
  const found = await source.list('ConfigMap', { namespace })
  const configMap = found.find(({ metadata }) => metadata.name === MESH_CONFIG_NAME)
  return configMap === undefined ? NO_MESH_CONFIG : readMeshConfig(configMap)
}
