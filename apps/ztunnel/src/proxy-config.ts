import { CodedError } from '@ambient/lifecycle'
import type { Field } from '@ambient/kube'
import { ConfigError, type Env } from './env-values.ts'

/** What a node proxy goes by of the mesh's `ProxyConfig`; the rest is about Envoy. */
export interface ProxyConfig {
  readonly discoveryAddress?: string | undefined
  readonly adminPort?: number | undefined
  readonly statsPort?: number | undefined
  /** 0 for all cores. */
  readonly concurrency?: number | undefined
  readonly metadata?: Readonly<Record<string, string>>
}

const MESH_FILE = './etc/istio/config/mesh'

/**
 * `PROXY_CONFIG`, over the `defaultConfig` of the mesh's file.
 *
 * @param readText The text of a file; undefined when there is none.
 * @throws {ConfigError} naming the place and what is wrong there.
 */
export async function loadProxyConfig(
  env: Env,
  readText: (path: string) => string | undefined,
): Promise<ProxyConfig> {
  const mesh = readText(MESH_FILE)
  const own = env['PROXY_CONFIG'] ?? ''
  if (mesh === undefined && own === '') return {}
  // Only who has one pays for the reader of YAML.
  const { fieldsOfYaml } = await import('@ambient/kube')
  try {
    const ofMesh = mesh === undefined ? {} : proxyConfigOf(fieldsOfYaml(MESH_FILE, mesh).get('defaultConfig'))
    const ofOwn = own === '' ? {} : proxyConfigOf(fieldsOfYaml('PROXY_CONFIG', own))
    return { ...ofMesh, ...ofOwn, metadata: { ...ofMesh.metadata, ...ofOwn.metadata } }
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause
    throw new ConfigError(`Cannot use PROXY_CONFIG or ${MESH_FILE}: ${cause.message}`)
  }
}

function proxyConfigOf(field: Field): ProxyConfig {
  const discoveryAddress = field.get('discoveryAddress').text()
  const adminPort = numberOf(field.get('proxyAdminPort'), 1, 65_535)
  const statsPort = numberOf(field.get('statsPort'), 1, 65_535)
  const concurrency = numberOf(field.get('concurrency'), 0, 1024)
  const metadata = Object.entries(field.get('proxyMetadata').textMap())
  return {
    ...(discoveryAddress !== undefined && { discoveryAddress }),
    ...(adminPort !== undefined && { adminPort }),
    ...(statsPort !== undefined && { statsPort }),
    ...(concurrency !== undefined && { concurrency }),
    metadata: Object.fromEntries(metadata.map(([name, value]) => [name.replace(/^ISTIO_META_/, ''), value])),
  }
}

function numberOf(field: Field, min: number, max: number): number | undefined {
  const value = field.integer()
  if (value === undefined || (value >= min && value <= max)) return value
  throw field.invalid(`must be from ${min} to ${max}`)
}
