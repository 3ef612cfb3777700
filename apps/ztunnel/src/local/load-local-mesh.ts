import { readFileSync } from 'node:fs'
import { CodedError } from '@ambient/lifecycle'
import type { LocalMeshSource } from '../config.ts'
import { ConfigError } from '../env-values.ts'
import { type LocalMesh, readLocalMesh } from './read-local-mesh.ts'

/** @throws {ConfigError} `CONFIG_INVALID`, naming the file, the place in it and what is wrong there. */
export async function loadLocalMesh(source: LocalMeshSource): Promise<LocalMesh> {
  const name = source.kind === 'file' ? source.path : 'LOCAL_XDS'
  const text = source.kind === 'file' ? readText(source.path) : source.text
  // Only who has a local mesh pays for the reader of YAML.
  const { fieldsOfYaml } = await import('@ambient/kube')
  try {
    return readLocalMesh(fieldsOfYaml(name, text))
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause
    const place = cause.message.includes(name) ? '' : `Cannot read ${name}: `
    throw new ConfigError(`${place}${cause.message}`)
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ConfigError(
      `Cannot read LOCAL_XDS_PATH: ${cause instanceof Error ? cause.message : String(cause)}`,
    )
  }
}
