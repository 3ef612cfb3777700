/** Installs the mesh by its chart, as an operator would. */
import { join } from 'node:path'
import type { Cluster } from './cluster.ts'
import type { ImageName } from './mesh-images.ts'

export const NAMESPACE = 'istio-system'
const RELEASE = 'ambient'
const INSTALL_MS = 480_000

export async function installMesh(cluster: Cluster, root: string, { hub, tag }: ImageName): Promise<void> {
  const set = [`global.hub=${hub}`, `global.tag=${tag}`].flatMap((value) => ['--set', value])
  await cluster.must(
    [
      'helm',
      'upgrade',
      '--install',
      RELEASE,
      join(root, 'charts/ambient'),
      '-n',
      NAMESPACE,
      '--create-namespace',
      ...set,
      '--wait',
      '--timeout',
      `${INSTALL_MS / 1000}s`,
    ],
    '',
    INSTALL_MS + 10_000,
  )
}

export async function uninstallMesh(cluster: Cluster): Promise<void> {
  await cluster.must(
    ['helm', 'uninstall', RELEASE, '-n', NAMESPACE, '--wait', '--timeout', '300s'],
    '',
    310_000,
  )
}
