/** A kind cluster of one control plane and two workers. */
import type { Cluster } from './cluster.ts'
import type { ImageName } from './mesh-images.ts'

export interface KindOptions {
  readonly name: string
  readonly nodeImage: string | undefined
  readonly kubeconfig: string
}

const CONFIG = `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes: [{role: control-plane}, {role: worker}, {role: worker}]
`
const CREATE_MS = 300_000
/** What the suites' own pods run. */
export const APP_IMAGE = 'node:26-bookworm-slim'

export async function createKind(
  cluster: Cluster,
  { name, nodeImage, kubeconfig }: KindOptions,
): Promise<void> {
  await deleteKind(cluster, name) // what a run that was killed left
  const image = nodeImage === undefined ? [] : ['--image', nodeImage]
  await cluster.must(
    [
      'kind',
      'create',
      'cluster',
      '-q',
      '--name',
      name,
      ...image,
      '--kubeconfig',
      kubeconfig,
      '--wait',
      '180s',
      '--config',
      '-',
    ],
    CONFIG,
    CREATE_MS,
  )
}

export async function loadImages(cluster: Cluster, name: string, { hub, tag }: ImageName): Promise<void> {
  const images = ['istiod', 'ztunnel', 'cni'].map((each) => `${hub}/${each}:${tag}`)
  await cluster.must(
    ['kind', 'load', 'docker-image', '-q', '--name', name, APP_IMAGE, ...images],
    '',
    CREATE_MS,
  )
}

export async function hasKind(cluster: Cluster, name: string): Promise<boolean> {
  const { stdout } = await cluster.run(['kind', 'get', 'clusters', '-q'])
  return stdout.split('\n').includes(name)
}

export async function deleteKind(cluster: Cluster, name: string): Promise<void> {
  await cluster.must(['kind', 'delete', 'cluster', '-q', '--name', name], '', CREATE_MS)
}
