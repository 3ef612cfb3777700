/** What somebody takes from a node comes back: the plugin and its configuration, while the agent runs and when it starts. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { NAMESPACE, restartPart } from '../install.ts'
import { APP_IMAGE } from '../kind.ts'
import { enrolled, redirections, shop } from '../shop.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const SPACE = 'repair'
const CHAIN = '/etc/cni/net.d/02-istio-cni.conflist'
const PLUGIN = '/opt/cni/bin/istio-cni'
let node: string

beforeAll(async () => {
  await cluster.apply(shop(SPACE, { 'istio.io/dataplane-mode': 'ambient' }))
  await cluster.podsReady(SPACE, 'app')
  await enrolled(cluster, SPACE)
  node = await cluster.kubectl('get', 'pod', '-n', SPACE, 'client', '-o', 'jsonpath={.spec.nodeName}')
})
afterAll(() => cluster.delete('namespace', SPACE, '--wait=false'))

function onNode(command: string): Promise<string> {
  return cluster.must(['docker', 'exec', node, 'sh', '-c', command])
}

async function installed(): Promise<string> {
  return onNode(`cat ${CHAIN} ${PLUGIN} 2>&1 | sha256sum`)
}

async function isInstalledAgain(as: string): Promise<void> {
  await cluster.waitFor(
    `chain and plugin to be what they were`,
    async () => (await installed()) === as,
    60_000,
  )
}

/** A pod that starts now is enrolled by the plugin, or not at all. */
async function podStartsInMesh(name: string): Promise<void> {
  await cluster.apply(`apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${SPACE}, labels: { app: ${name} } }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 1
  containers: [{ name: main, image: '${APP_IMAGE}', imagePullPolicy: IfNotPresent, command: [sleep, infinity] }]
`)
  await cluster.podsReady(SPACE, `app=${name}`)
  const path = 'jsonpath={.metadata.annotations.ambient\\.istio\\.io/redirection}'
  expect(await cluster.kubectl('get', 'pod', '-n', SPACE, name, '-o', path)).toBe('enabled')
}

test.each([
  { what: 'its plugin is deleted', command: `rm ${PLUGIN}`, pod: 'first' },
  { what: 'its configuration is deleted', command: `rm ${CHAIN}`, pod: 'second' },
  {
    what: 'its configuration is written without the plugin',
    command: `cp /etc/cni/net.d/10-podnet.conflist ${CHAIN}`,
    pod: 'third',
  },
])('the agent repairs a node when $what', async ({ command, pod }) => {
  const before = await installed()
  await onNode(command)
  await isInstalledAgain(before)
  await podStartsInMesh(pod)
})

test('an agent that starts repairs what was broken before it', async () => {
  const before = await installed()
  await cluster.kubectl(
    'set',
    'image',
    '-n',
    NAMESPACE,
    'daemonset/istio-cni-node',
    'install-cni=ambient/none:none',
  )
  await cluster.delete('pod', '-n', NAMESPACE, '-l', 'k8s-app=istio-cni-node', '--wait=true')
  await onNode(`cp /etc/cni/net.d/10-podnet.conflist ${CHAIN}; rm ${PLUGIN}`)
  expect(await installed()).not.toBe(before)
  await cluster.kubectl('rollout', 'undo', '-n', NAMESPACE, 'daemonset/istio-cni-node')
  await restartPart(cluster, 'daemonset/istio-cni-node')
  await isInstalledAgain(before)
  await podStartsInMesh('fourth')
  expect(new Set((await redirections(cluster, SPACE)).split(' '))).toEqual(new Set(['enabled']))
}, 600_000)
