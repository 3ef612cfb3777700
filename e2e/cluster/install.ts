/** Installs the mesh by its chart, as an operator would. */
import { join } from 'node:path'
import type { Cluster } from './cluster.ts'
import type { ImageName } from './mesh-images.ts'

export const NAMESPACE = 'istio-system'
const RELEASE = 'ambient'
const INSTALL_MS = 480_000
/** Every workload of the chart, as kubectl names it. */
export const PARTS = ['deployment/istiod', 'daemonset/istio-cni-node', 'daemonset/ztunnel'] as const

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

/** Replaces the pods of one part, and waits for the new ones. */
export async function restartPart(cluster: Cluster, part: string): Promise<void> {
  await cluster.kubectl('rollout', 'restart', '-n', NAMESPACE, part)
  await settled(cluster, part)
}

export async function settled(cluster: Cluster, part: string): Promise<void> {
  await cluster.must(['kubectl', 'rollout', 'status', '-n', NAMESPACE, part, '--timeout=600s'], '', 610_000)
}

export async function restartMesh(cluster: Cluster): Promise<void> {
  for (const part of PARTS) await restartPart(cluster, part)
}
