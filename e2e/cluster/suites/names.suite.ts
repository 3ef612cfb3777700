/** Names and addresses that no Service has: of ServiceEntry and WorkloadEntry, by DNS inside the pods; and a cloud's metadata server. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { APP_IMAGE } from '../kind.ts'
import { ask, enrolled, shop } from '../shop.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const SPACE = 'names'
const OUTSIDE = 'names-outside'
const CLIENT = `${SPACE}/client`
const METADATA = '169.254.169.254'
let node: string

beforeAll(async () => {
  await cluster.apply(shop(SPACE, { 'istio.io/dataplane-mode': 'ambient' }))
  await cluster.apply(shop(OUTSIDE))
  await cluster.podsReady(SPACE, 'app')
  await cluster.podsReady(OUTSIDE, 'app')
  await enrolled(cluster, SPACE)
  node = await cluster.kubectl('get', 'pod', '-n', SPACE, 'client', '-o', 'jsonpath={.spec.nodeName}')
})
afterAll(async () => {
  await onNode('ip', 'addr', 'del', `${METADATA}/32`, 'dev', 'lo')
  await cluster.delete('namespace', SPACE, OUTSIDE, '--wait=false')
})

function onNode(...argv: readonly string[]): Promise<unknown> {
  return cluster.run(['docker', 'exec', node, ...argv])
}

function serviceEntry(name: string, host: string, spec: string): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: ${SPACE} }
spec:
  hosts: [${host}]
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]
  ${spec}
`
}

async function isAnswered(url: string): Promise<void> {
  await cluster.waitFor(`the client to be answered by ${url}`, () => ask(cluster, CLIENT, url), 60_000)
}

async function isRefused(url: string): Promise<void> {
  await cluster.waitFor(
    `the client to get nothing from ${url}`,
    async () => (await ask(cluster, CLIENT, url)) === undefined,
    60_000,
  )
}

async function addressOf(pod: string, host: string): Promise<string> {
  const script = `require('node:dns').lookup(process.argv[1], (e, a) => process.stdout.write(e?.code ?? a))`
  return (await cluster.exec(pod, ['node', '-e', script, host])).stdout
}

test('the name of a ServiceEntry leads to the pods that it selects, from inside of the mesh alone', async () => {
  await cluster.apply(
    serviceEntry(
      'pods',
      'pods.example',
      'location: MESH_INTERNAL\n  resolution: STATIC\n  workloadSelector: { labels: { app: web } }',
    ),
  )
  await isAnswered('http://pods.example/')
  const ip = await cluster.kubectl('get', 'pod', '-n', SPACE, 'client', '-o', 'jsonpath={.status.podIP}')
  expect(await ask(cluster, CLIENT, 'http://pods.example/')).toEqual({ from: ip, pod: 'web' })
  const status = await cluster.kubectl(
    'get',
    'serviceentry',
    '-n',
    SPACE,
    'pods',
    '-o',
    'jsonpath={.status.addresses[*].value}',
  )
  expect(status.split(' ')).toContain(await addressOf(CLIENT, 'pods.example'))
  expect(await addressOf(`${OUTSIDE}/client`, 'pods.example')).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/)
})

test('a WorkloadEntry is an endpoint while it is there', async () => {
  const ip = await cluster.kubectl('get', 'pod', '-n', OUTSIDE, 'web', '-o', 'jsonpath={.status.podIP}')
  await cluster.apply(
    serviceEntry(
      'machines',
      'machines.example',
      'resolution: STATIC\n  workloadSelector: { labels: { app: machine } }',
    ),
  )
  await cluster.apply(`apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: machine, namespace: ${SPACE}, labels: { app: machine } }
spec: { address: ${ip}, labels: { app: machine } }
`)
  await isAnswered('http://machines.example/')
  await cluster.delete('workloadentry', '-n', SPACE, 'machine')
  await isRefused('http://machines.example/')
})

test('an endpoint that has a name only is found by it', async () => {
  await cluster.apply(
    serviceEntry(
      'alias',
      'alias.example',
      `resolution: DNS\n  endpoints: [{ address: web.${OUTSIDE}.svc.cluster.local, ports: { http: 80 } }]`,
    ),
  )
  await isAnswered('http://alias.example/')
})

test('a name is taken back with its ServiceEntry', async () => {
  await cluster.delete('serviceentry', '-n', SPACE, 'pods')
  await cluster.waitFor(
    'the name to be unknown',
    async () => (await addressOf(CLIENT, 'pods.example')).startsWith('E'),
    60_000,
  )
})

test('names of the cluster and short names are answered in the pods as before', async () => {
  const ip = await cluster.kubectl('get', 'service', '-n', SPACE, 'web', '-o', 'jsonpath={.spec.clusterIP}')
  for (const host of ['web', `web.${SPACE}`, `web.${SPACE}.svc`, `web.${SPACE}.svc.cluster.local`])
    expect(await addressOf(CLIENT, host), host).toBe(ip)
  expect(await addressOf(CLIENT, `nobody.${SPACE}.svc.cluster.local`)).toBe('ENOTFOUND')
})

test(`a metadata server of the node, at ${METADATA}, answers pods of the mesh`, async () => {
  await onNode('ip', 'addr', 'add', `${METADATA}/32`, 'dev', 'lo')
  const script = `require('node:http').createServer((q, r) => r.end(JSON.stringify({ from: q.socket.remoteAddress, pod: 'metadata' }))).listen(80, '${METADATA}')`
  await cluster.apply(`apiVersion: v1
kind: Pod
metadata: { name: metadata, namespace: ${OUTSIDE}, labels: { app: metadata } }
spec:
  hostNetwork: true
  nodeName: ${node}
  terminationGracePeriodSeconds: 1
  containers: [{ name: main, image: '${APP_IMAGE}', imagePullPolicy: IfNotPresent, command: [node, -e, ${JSON.stringify(script)}] }]
`)
  await cluster.podsReady(OUTSIDE, 'app=metadata')
  await isAnswered(`http://${METADATA}/`)
  expect((await ask(cluster, CLIENT, `http://${METADATA}/`))?.pod).toBe('metadata')
})
