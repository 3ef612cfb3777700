/** `npm run kind-up`: a kind cluster with the mesh of this checkout and a small shop in it, left running to be tried. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { errorText } from '@ambient/lifecycle'
import { Cluster } from './cluster.ts'
import { installMesh } from './install.ts'
import { createKind, hasKind, loadImages } from './kind.ts'
import { buildImages } from './mesh-images.ts'
import { say, step } from './progress.ts'
import { findTools } from './tools.ts'

const root = join(import.meta.dirname, '..', '..')
const NAME = 'ambient'
const IMAGES = { hub: 'ambient', tag: 'kind' }
const TRY = `
The shop runs in the mesh. Try:

  kubectl -n shop exec deploy/client -- node /shop/ask.js http://web/
  kubectl apply -f samples/only-client.yaml      # and ask again: from client, from other
  kubectl -n istio-system logs ds/ztunnel | grep web

Its end: kind delete cluster --name ${NAME}
`

process.exitCode = await main()

async function main(): Promise<number> {
  try {
    await run()
    process.stdout.write(TRY)
    return 0
  } catch (cause) {
    say(errorText(cause))
    return 1
  }
}

async function run(): Promise<void> {
  const { path, nodeImage } = findTools(root, process.env)
  process.env['PATH'] = path
  const kubeconfig = process.env['KUBECONFIG'] ?? join(homedir(), '.kube/config')
  const cluster = new Cluster({ kubeconfig, path })
  await step('images', () => buildImages(root, IMAGES))
  if (await hasKind(cluster, NAME))
    say(`the cluster ${NAME} is there already: its mesh is brought up to date`)
  else await step('cluster', () => createKind(cluster, { name: NAME, nodeImage, kubeconfig }))
  await step('images into the nodes', () => loadImages(cluster, NAME, IMAGES))
  await step('chart', () => installMesh(cluster, root, IMAGES))
  await step('shop', async () => {
    await cluster.kubectl('apply', '-f', join(root, 'samples/shop.yaml'))
    await cluster.must(
      ['kubectl', '-n', 'shop', 'wait', '--for=condition=Available', 'deploy', '--all', '--timeout=120s'],
      '',
      130_000,
    )
  })
}
