/** `helm uninstall` takes every pod out first, and leaves nothing behind but the definitions that hold what users wrote. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { uninstallMesh } from '../install.ts'
import { APP_IMAGE } from '../kind.ts'
import { ask, shop } from '../shop.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const SPACE = 'farewell'

/** Its pod keeps saying that it is in the mesh. */
const FINISHED = `apiVersion: batch/v1
kind: Job
metadata: { name: errand, namespace: ${SPACE} }
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: main, image: '${APP_IMAGE}', imagePullPolicy: IfNotPresent, command: ['true'] }]
`

beforeAll(async () => {
  await cluster.apply(shop(SPACE, { 'istio.io/dataplane-mode': 'ambient' }))
  await cluster.podsReady(SPACE, 'app')
  await cluster.apply(FINISHED)
  await cluster.must(
    ['kubectl', 'wait', '-n', SPACE, '--for=condition=complete', 'job/errand', '--timeout=120s'],
    '',
    130_000,
  )
})
afterAll(() => cluster.delete('namespace', SPACE, '--wait=false'))

/** What the agents say of the pods that run. */
async function enrolled(): Promise<string> {
  const path = 'jsonpath={.items[*].metadata.annotations.ambient\\.istio\\.io/redirection}'
  const running = ['--field-selector', 'status.phase=Running']
  return (await cluster.kubectl('get', 'pods', '-n', SPACE, ...running, '-o', path)).trim()
}

/** What a node's own shell says. */
async function onNodes(command: string): Promise<readonly string[]> {
  const nodes = (await cluster.kubectl('get', 'nodes', '-o', 'jsonpath={.items[*].metadata.name}')).split(' ')
  return Promise.all(nodes.map((node) => cluster.must(['docker', 'exec', node, 'sh', '-c', command])))
}

test('before it, pods are enrolled and the nodes carry what the agents made', async () => {
  expect(await enrolled()).toBe('enabled enabled enabled')
  for (const files of await onNodes('ls /etc/cni/net.d /opt/cni/bin')) expect(files).toContain('istio-cni')
})

test('after it, no pod is enrolled, traffic goes on, and rules, files and objects are gone', async () => {
  await uninstallMesh(cluster)
  expect(await enrolled()).toBe('')
  await cluster.waitFor(
    'the agents to be gone',
    async () => (await cluster.kubectl('get', 'pods', '-n', 'istio-system', '-o', 'name')).trim() === '',
    90_000,
  )
  await cluster.waitFor(
    'the client to be answered',
    () => ask(cluster, `${SPACE}/client`, `http://web.${SPACE}/`),
    30_000,
  )
  for (const left of await onNodes(
    'ls /etc/cni/net.d /opt/cni/bin | grep istio; iptables-save | grep ISTIO; ip6tables-save | grep ISTIO; ipset list -n | grep istio; true',
  ))
    expect(left).toBe('')
  const objects =
    'all,configmaps,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,validatingwebhookconfigurations'
  const named = await cluster.kubectl(
    'get',
    objects,
    '-A',
    '-l',
    'app.kubernetes.io/part-of=ambient',
    '-o',
    'name',
  )
  expect(named.trim()).toBe('')
  await cluster.waitFor(
    'what istiod wrote to be collected',
    async () => {
      const leases = await cluster.kubectl('get', 'leases', '-n', 'istio-system', '-o', 'name')
      const roots = await cluster.kubectl(
        'get',
        'configmaps',
        '-A',
        '-l',
        'istio.io/config=true',
        '-o',
        'name',
      )
      return `${leases}${roots}`.trim() === ''
    },
    120_000,
  )
  const kept = await cluster.kubectl('get', 'crd', '-l', 'app.kubernetes.io/part-of=ambient', '-o', 'name')
  expect(kept.trim().split('\n')).toHaveLength(4)
})
