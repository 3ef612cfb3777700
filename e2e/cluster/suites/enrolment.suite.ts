/** Every way into the mesh and out of it; whether a pod is in it, a server that takes mutual TLS only says. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from '../cluster.ts'
import { APP_IMAGE } from '../kind.ts'
import { ask, shop } from '../shop.ts'

const cluster = new Cluster({
  kubeconfig: process.env['KUBECONFIG'] ?? '',
  path: process.env['PATH'] ?? '',
})
const SPACE = 'enrolment'
const CLIENT = `${SPACE}/client`
const LABEL = 'istio.io/dataplane-mode'
const MANY = 100
const STATEFUL = `apiVersion: v1
kind: Service
metadata: { name: peers, namespace: ${SPACE} }
spec: { clusterIP: None, selector: { app: peer }, ports: [{ name: http, port: 8080 }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: peer, namespace: ${SPACE} }
spec:
  serviceName: peers
  selector: { matchLabels: { app: peer } }
  template:
    metadata: { labels: { app: peer } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: ${APP_IMAGE}
          imagePullPolicy: IfNotPresent
          command: [node, /server/server.js]
          env: [{ name: POD, value: peer }]
          readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1 }
          volumeMounts: [{ name: server, mountPath: /server }]
      volumes: [{ name: server, configMap: { name: server } }]
`
const STRICT = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: ${SPACE} }
spec: { mtls: { mode: STRICT } }
`

beforeAll(async () => {
  await cluster.apply(shop(SPACE))
  await cluster.apply(STATEFUL)
  await cluster.kubectl('rollout', 'status', '-n', SPACE, 'statefulset/peer', '--timeout=120s')
  await cluster.podsReady(SPACE, 'app')
})
afterAll(() => cluster.delete('namespace', SPACE, '--wait=false'))

/** Pods that run and that the agents say are enrolled, by name. */
async function enrolled(selector = ''): Promise<string> {
  const path = `jsonpath={range .items[?(@.metadata.annotations.ambient\\.istio\\.io/redirection=="enabled")]}{.metadata.name} {end}`
  const which = ['-l', selector, '--field-selector', 'status.phase=Running']
  return (await cluster.kubectl('get', 'pods', '-n', SPACE, ...which, '-o', path)).trim()
}

async function enrolledBecome(names: string): Promise<void> {
  await cluster.waitFor(
    `${names || 'nobody'} to be enrolled`,
    async () => (await enrolled()) === names,
    90_000,
  )
}

async function podIp(name: string): Promise<string> {
  return cluster.kubectl('get', 'pod', '-n', SPACE, name, '-o', 'jsonpath={.status.podIP}')
}

async function isAnswered(from: string, url: string): Promise<void> {
  await cluster.waitFor(`${from} to be answered by ${url}`, () => ask(cluster, from, url), 60_000)
}

async function isRefused(from: string, url: string): Promise<void> {
  await cluster.waitFor(
    `${from} to be refused by ${url}`,
    async () => (await ask(cluster, from, url)) === undefined,
    60_000,
  )
}

test('the label of a pod takes in that pod alone, running, and out again', async () => {
  await cluster.kubectl('label', 'pod', '-n', SPACE, 'client', `${LABEL}=ambient`)
  await enrolledBecome('client')
  await cluster.kubectl('label', 'pod', '-n', SPACE, 'client', `${LABEL}-`)
  await enrolledBecome('')
})

test('the label of a namespace takes in all but a pod that says no', async () => {
  await cluster.kubectl('label', 'pod', '-n', SPACE, 'other', `${LABEL}=none`)
  await cluster.kubectl('label', 'namespace', SPACE, `${LABEL}=ambient`)
  await enrolledBecome('client peer-0 web')
})

test('a server that takes mutual TLS only answers an enrolled pod by every name it has, and refuses the one that said no', async () => {
  await cluster.apply(STRICT)
  const service = await cluster.kubectl(
    'get',
    'service',
    '-n',
    SPACE,
    'web',
    '-o',
    'jsonpath={.spec.clusterIP}',
  )
  const urls = [
    `http://web.${SPACE}/`,
    `http://${service}/`,
    `http://${await podIp('web')}:8080/`,
    `http://peers.${SPACE}:8080/`,
    `http://peer-0.peers.${SPACE}.svc.cluster.local:8080/`,
    `http://${await podIp('peer-0')}:8080/`,
  ]
  await isRefused(`${SPACE}/other`, `http://web.${SPACE}/`)
  for (const url of urls) {
    await isAnswered(CLIENT, url)
    expect(await ask(cluster, `${SPACE}/other`, url), `from outside, by ${url}`).toBeUndefined()
  }
  const answer = await ask(cluster, CLIENT, urls[0] ?? '')
  expect(answer).toEqual({ from: await podIp('client'), pod: 'web' })
})

test('a pod on the host’s network is left alone', async () => {
  await cluster.apply(`apiVersion: v1
kind: Pod
metadata: { name: hosted, namespace: ${SPACE}, labels: { app: hosted, ${LABEL}: ambient } }
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 1
  containers: [{ name: main, image: '${APP_IMAGE}', imagePullPolicy: IfNotPresent, command: [sleep, infinity] }]
`)
  await cluster.podsReady(SPACE, 'app=hosted')
  expect(await enrolled()).toBe('client peer-0 web')
})

test('a job runs in the mesh and ends', async () => {
  await cluster.apply(`apiVersion: batch/v1
kind: Job
metadata: { name: errand, namespace: ${SPACE} }
spec:
  backoffLimit: 0
  template:
    metadata: { labels: { app: errand } }
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: ${APP_IMAGE}
          imagePullPolicy: IfNotPresent
          command: [node, -e, "fetch('http://web.${SPACE}/').then((r) => r.text()).then((t) => console.log(t))"]
`)
  await cluster.must(
    ['kubectl', 'wait', '-n', SPACE, '--for=condition=complete', 'job/errand', '--timeout=120s'],
    '',
    130_000,
  )
  expect(await cluster.kubectl('logs', '-n', SPACE, 'job/errand')).toContain('"pod":"web"')
})

test('a policy of the whole namespace taken away lets the pod outside in again', async () => {
  await cluster.delete('peerauthentication', '-n', SPACE, 'strict')
  await isAnswered(`${SPACE}/other`, `http://web.${SPACE}/`)
})

test(`${MANY} pods at once start in the mesh`, async () => {
  await cluster.apply(`apiVersion: apps/v1
kind: Deployment
metadata: { name: many, namespace: ${SPACE} }
spec:
  replicas: ${MANY}
  selector: { matchLabels: { app: many } }
  template:
    metadata: { labels: { app: many } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - { name: main, image: '${APP_IMAGE}', imagePullPolicy: IfNotPresent, command: [sleep, infinity] }
`)
  const fromMs = performance.now()
  await cluster.must(
    ['kubectl', 'rollout', 'status', '-n', SPACE, 'deployment/many', '--timeout=900s'],
    '',
    910_000,
  )
  const seconds = (performance.now() - fromMs) / 1000
  process.stdout.write(`${MANY} pods ran in the mesh after ${seconds.toFixed(0)} s\n`)
  expect((await enrolled('app=many')).split(' ')).toHaveLength(MANY)
  await isAnswered(CLIENT, `http://web.${SPACE}/`)
  await cluster.delete('deployment', '-n', SPACE, 'many')
}, 1_100_000)

test('the namespace taken out, all of them talk as before', async () => {
  await cluster.kubectl('label', 'namespace', SPACE, `${LABEL}-`)
  await enrolledBecome('')
  for (const from of [CLIENT, `${SPACE}/other`]) await isAnswered(from, `http://web.${SPACE}/`)
})
