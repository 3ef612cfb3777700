/** Which endpoint of a service a connection takes: the node's own where the service asks for it, and none that is on its way out. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { APP_IMAGE } from '../kind.ts'
import { enrolled, shop } from '../shop.ts'
import { SteadyClient } from '../steady-client.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const SPACE = 'services'
const CLIENT = `${SPACE}/client`
const ASKED = 20

beforeAll(async () => {
  await cluster.apply(shop(SPACE, { 'istio.io/dataplane-mode': 'ambient' }))
  await cluster.podsReady(SPACE, 'app')
  await enrolled(cluster, SPACE)
  await cluster.apply(SPREAD)
  await cluster.must(
    ['kubectl', 'rollout', 'status', '-n', SPACE, 'deployment/spread', '--timeout=170s'],
    '',
    175_000,
  )
})
afterAll(() => cluster.delete('namespace', SPACE, '--wait=false'))

/** One server on each worker; one that is told to end serves for a while longer, as a server that is to be drained does. */
const SPREAD = `apiVersion: v1
kind: Service
metadata: { name: spread, namespace: ${SPACE} }
spec: { selector: { app: spread }, ports: [{ name: http, port: 80, targetPort: 8080 }, { name: tcp, port: 9000 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: spread, namespace: ${SPACE} }
spec:
  replicas: 2
  selector: { matchLabels: { app: spread } }
  strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }
  template:
    metadata: { labels: { app: spread } }
    spec:
      terminationGracePeriodSeconds: 20
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - { labelSelector: { matchLabels: { app: spread } }, topologyKey: kubernetes.io/hostname }
      containers:
        - name: main
          image: ${APP_IMAGE}
          imagePullPolicy: IfNotPresent
          command: [node, /server/server.js]
          lifecycle: { preStop: { sleep: { seconds: 15 } } }
          env: [{ name: POD, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }]
          readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1 }
          volumeMounts: [{ name: server, mountPath: /server }]
      volumes: [{ name: server, configMap: { name: server } }]
`

/** The nodes that so many connections in a row end on. */
async function nodesAnswering(): Promise<ReadonlySet<string>> {
  const script = `const url = process.argv[1]
;(async () => { for (let i = 0; i < ${ASKED}; i++) console.log((await (await fetch(url, { headers: { connection: 'close' } })).json()).pod) })()`
  const { code, stdout, stderr } = await cluster.exec(CLIENT, [
    'node',
    '-e',
    script,
    `http://spread.${SPACE}/`,
  ])
  if (code !== 0) throw new Error(stderr)
  return new Set(stdout.trim().split('\n'))
}

async function nodesBecome(what: string, wanted: readonly string[]): Promise<void> {
  await cluster.waitFor(
    `${what}: ${wanted.join(' and ')}`,
    async () => {
      const nodes = await nodesAnswering()
      return nodes.size === wanted.length && wanted.every((node) => nodes.has(node))
    },
    60_000,
  )
}

async function nodeOf(selector: string): Promise<readonly string[]> {
  const path = 'jsonpath={.items[*].spec.nodeName}'
  return (await cluster.kubectl('get', 'pods', '-n', SPACE, '-l', selector, '-o', path)).split(' ')
}

test('connections go to every node, to the client’s own when the service prefers it, and to every one again', async () => {
  const all = await nodeOf('app=spread')
  const [own = ''] = await nodeOf('app=client')
  expect(new Set(all).size).toBe(2)
  expect(all).toContain(own)
  await nodesBecome('both nodes answer', all)
  await distribute('PreferSameNode')
  await nodesBecome('the own node answers', [own])
  await distribute(null)
  await nodesBecome('both nodes answer again', all)
})

async function distribute(trafficDistribution: string | null): Promise<void> {
  const patch = JSON.stringify({ spec: { trafficDistribution } })
  await cluster.kubectl('patch', 'service', '-n', SPACE, 'spread', '-p', patch)
}

test('a preference is no condition: without a server on its own node the client is answered by the other', async () => {
  const [own = ''] = await nodeOf('app=client')
  const other = (await nodeOf('app=spread')).filter((node) => node !== own)
  await distribute('PreferSameNode')
  await cluster.kubectl('cordon', own)
  try {
    await cluster.delete('pod', '-n', SPACE, '-l', 'app=spread', '--field-selector', `spec.nodeName=${own}`)
    await nodesBecome('the other node answers', other)
  } finally {
    await cluster.kubectl('uncordon', own)
    await distribute(null)
  }
  await cluster.podsReady(SPACE, 'app=spread')
})

test('servers are replaced one by one, and no new connection fails', async () => {
  const steady = await SteadyClient.start(cluster, {
    pod: CLIENT,
    host: `spread.${SPACE}`,
    port: 9000,
    perSecond: 20,
  })
  await cluster.kubectl('rollout', 'restart', '-n', SPACE, 'deployment/spread')
  await cluster.must(
    ['kubectl', 'rollout', 'status', '-n', SPACE, 'deployment/spread', '--timeout=170s'],
    '',
    175_000,
  )
  await steady.answered(20)
  const { ok, failed } = await steady.stop()
  process.stdout.write(`servers replaced: ${ok} connections answered\n`)
  expect(failed).toEqual({})
}, 300_000)
